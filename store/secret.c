#include "store/secret.h"
#include "store/store_internal.h"

#include <nettle/memops.h>

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

gs_status gs__secret_make(const gs__secret_form *form, char id_out[GS_ID_SIZE],
                          char secret_out[GS__SECRET_SIZE], char sha256_out[GS_SHA256_SIZE],
                          gs_error *err) {
    char id[GS_ID_SIZE];
    uint8_t random[GS__SECRET_DIGITS / 2];
    GS_TRY(gs__id_make(form->kind, id, err));
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return gs_fail_errno(err, "cannot get random bytes");
    int length = snprintf(secret_out, GS__SECRET_SIZE, "%s%s%c", form->prefix, strchr(id, '_') + 1,
                          form->mark);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(secret_out + length + 2 * i, 3, "%02x", random[i]);
    gs_sha256_hex(secret_out, strlen(secret_out), sha256_out);
    memcpy(id_out, id, GS_ID_SIZE);
    return GS_OK;
}

bool gs__secret_read(const gs__secret_form *form, const char *text, char id_out[GS_ID_SIZE]) {
    size_t prefix = strlen(form->prefix);
    if (strncmp(text, form->prefix, prefix) != 0) return false;
    const char *name = text + prefix;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz234567") != GS__SECRET_NAME) return false;
    if (name[GS__SECRET_NAME] != form->mark) return false;
    const char *digits = name + GS__SECRET_NAME + 1;
    if (strlen(digits) != GS__SECRET_DIGITS || digits[strspn(digits, "0123456789abcdef")])
        return false;
    snprintf(id_out, GS_ID_SIZE, "%s_%.*s", form->kind, (int)GS__SECRET_NAME, name);
    return true;
}

bool gs__secret_fits(const char *text, const char sha256[GS_SHA256_SIZE]) {
    char own[GS_SHA256_SIZE];
    gs_sha256_hex(text, strlen(text), own);
    return memeql_sec(own, sha256, GS_SHA256_SIZE - 1) != 0;
}
