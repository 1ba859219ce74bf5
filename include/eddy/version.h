/* The version of the library, by Semantic Versioning 2.0.0. Before 1.0 a minor version may
 * break. */
#ifndef EDDY_VERSION_H
#define EDDY_VERSION_H

#define EDDY_VERSION_MAJOR 0
#define EDDY_VERSION_MINOR 1
#define EDDY_VERSION_PATCH 0

/* One number to compare: 0x00MMmmpp. */
#define EDDY_VERSION ((EDDY_VERSION_MAJOR << 16) | (EDDY_VERSION_MINOR << 8) | EDDY_VERSION_PATCH)

/* Marks what the library exports; everything else in it is hidden. */
#define EDDY_API __attribute__((visibility("default")))

/* The result must be looked at: an operation that nobody awaits is always a mistake. */
#define EDDY_MUST_USE __attribute__((warn_unused_result))

#endif
