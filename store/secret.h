/* Secrets that are shown once: "<prefix><16 letters><mark><64 hexadecimal digits>". The letters
 * name a row, whose digest the whole text must have. */
#ifndef GS_STORE_SECRET_H
#define GS_STORE_SECRET_H

#include "store/store.h"

enum { GS__SECRET_NAME = 16, GS__SECRET_DIGITS = 64, GS__SECRET_SIZE = 96 };

/* Which texts these are, and which rows. */
typedef struct gs__secret_form {
    const char *prefix, *kind; /* of the text; of the row's id: "tok" */
    char mark;
} gs__secret_form;

/* Makes a row's id, a secret of that name and its digest. */
GS_MUST_CHECK gs_status gs__secret_make(const gs__secret_form *form, char id_out[GS_ID_SIZE],
                                        char secret_out[GS__SECRET_SIZE],
                                        char sha256_out[GS_SHA256_SIZE], gs_error *err);
/* The id of the row that the text names. False: not a text of this form. */
bool gs__secret_read(const gs__secret_form *form, const char *text, char id_out[GS_ID_SIZE]);
/* Whether `text` has this digest, in a time that does not depend on where they differ. */
bool gs__secret_fits(const char *text, const char sha256[GS_SHA256_SIZE]);

#endif
