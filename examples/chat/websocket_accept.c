/*
 * Sec-WebSocket-Accept (RFC 6455, 4.2.2): base64 of the SHA-1 of the client's key and a fixed text. It proves that the server
 * has understood the request as one for a websocket, and nothing else: no secret is in it, so that SHA-1 is broken for signatures
 * does not matter here.
 */
#include "websocket.h"

#include <string.h>

enum { BLOCK = 64, DIGEST = 20 };

/* What it is for words of 32 bits, 0 < count < 32. */
static uint32_t rotate(uint32_t word, unsigned count)
{
    return word << count | word >> (32 - count);
}

/* A block, by FIPS 180-4, 6.1.2. */
static void digest_block(uint32_t hash[5], const unsigned char *block)
{
    static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80];
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];

    for (unsigned i = 0; i < 80; i++) {
        const unsigned char *at = block + 4 * i;
        w[i] = i < 16 ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
                      : rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    for (unsigned i = 0; i < 80; i++) {
        uint32_t mixed = i < 20              ? (b & c) | (~b & d)
                         : i < 40 || i >= 60 ? b ^ c ^ d
                                             : (b & c) | (b & d) | (c & d);
        uint32_t next = rotate(a, 5) + mixed + e + constants[i / 20] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

/* SHA-1 of a text of 56 to 119 bytes, which with its padding fills two blocks; here it is 60. */
static void digest_two_blocks(const char *text, size_t size, unsigned char digest[DIGEST])
{
    uint32_t hash[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char blocks[2 * BLOCK] = {0};

    memcpy(blocks, text, size);
    blocks[size] = 0x80;
    blocks[2 * BLOCK - 2] = (unsigned char)(8 * size >> 8);
    blocks[2 * BLOCK - 1] = (unsigned char)(8 * size);
    digest_block(hash, blocks);
    digest_block(hash, blocks + BLOCK);
    for (unsigned i = 0; i < DIGEST; i++) {
        digest[i] = (unsigned char)(hash[i / 4] >> (24 - 8 * (i % 4)));
    }
}

/* Base64 (RFC 4648, 4) of the digest, whose last group has two bytes of three. */
static void encode(const unsigned char digest[DIGEST], char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (unsigned i = 0; i < DIGEST; i += 3) {
        uint32_t group = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 |
                         (i + 2 < DIGEST ? digest[i + 2] : 0u);
        *text++ = letters[group >> 18];
        *text++ = letters[group >> 12 & 63];
        *text++ = letters[group >> 6 & 63];
        *text++ = i + 2 < DIGEST ? letters[group & 63] : '=';
    }
    *text = '\0';
}

void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT + 1])
{
    static const char fixed[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WEBSOCKET_KEY + sizeof fixed];
    unsigned char digest[DIGEST];

    memcpy(text, key, WEBSOCKET_KEY);
    memcpy(text + WEBSOCKET_KEY, fixed, sizeof fixed);
    digest_two_blocks(text, sizeof text - 1, digest);
    encode(digest, accept);
}
