/* What the tests of examples/tls share: a certificate for localhost, made once a program. */
#ifndef EDDY_TESTING_CERTIFICATE_H
#define EDDY_TESTING_CERTIFICATE_H

#include "support/testing.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../examples/tls/tls.h"

static char folder[] = "/tmp/eddy-test-XXXXXX";
static char certificate[64], key[64];
static SSL_CTX *server_context, *client_context;

static inline void add_extension(X509 *x509, int id, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, id, (char *)(uintptr_t)value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline EVP_PKEY *make_key(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *pkey = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1), 1);
    assert_int_equal(EVP_PKEY_keygen(context, &pkey), 1);
    EVP_PKEY_CTX_free(context);
    return pkey;
}

static inline void write_files(X509 *x509, EVP_PKEY *pkey)
{
    FILE *file = fopen(certificate, "w");

    assert_int_equal(PEM_write_X509(file, x509), 1);
    assert_int_equal(fclose(file), 0);
    file = fopen(key, "w");
    assert_int_equal(PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static inline int make_contexts(void **state)
{
    EVP_PKEY *pkey = make_key();
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/cert", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_set_version(x509, 2);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_set_pubkey(x509, pkey);
    add_extension(x509, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    add_extension(x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x509, pkey, EVP_sha256()) > 0);
    write_files(x509, pkey);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    server_context = tls_server_context(certificate, key, "\010http/1.1\003dot");
    client_context = tls_client_context(certificate);
    return server_context == NULL || client_context == NULL;
}

static inline int free_contexts(void **state)
{
    (void)state;
    SSL_CTX_free(server_context);
    SSL_CTX_free(client_context);
    unlink(certificate);
    unlink(key);
    return rmdir(folder);
}

#endif
