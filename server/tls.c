#include "server/tls.h"

#include "base/file.h"
#include "base/memory.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <string.h>
#include <time.h>

enum { PEM_BYTES_MAX = 1 << 20, CHAIN_MAX = 16 };

static gnutls_datum_t datum(char *text) {
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

static gs_status status_of(int rc) {
    return rc == GNUTLS_E_MEMORY_ERROR ? GS_OUT_OF_MEMORY : GS_INVALID_ARGUMENT;
}

/* Whether browsers would take the certificate today. */
static gs_status check_dates(char *pem, const char *path, gs_error *err) {
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned count = CHAIN_MAX;
    gnutls_datum_t text = datum(pem);
    int rc = gnutls_x509_crt_list_import(chain, &count, &text, GNUTLS_X509_FMT_PEM,
                                         GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (rc < 0)
        return gs_fail(err, status_of(rc), "--tls-cert %.200s: %s", path, gnutls_strerror(rc));
    time_t now = time(NULL), begins = gnutls_x509_crt_get_activation_time(chain[0]),
           ends = gnutls_x509_crt_get_expiration_time(chain[0]);
    for (int i = 0; i < rc; i++) gnutls_x509_crt_deinit(chain[i]);
    if (ends != (time_t)-1 && ends < now)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--tls-cert %.200s: the certificate has expired",
                       path);
    if (begins != (time_t)-1 && begins > now)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "--tls-cert %.200s: the certificate is not valid yet", path);
    return GS_OK;
}

static gs_status check_key(const char *key_path, const char *key, gs_error *err) {
    gnutls_x509_privkey_t parsed;
    if (gnutls_x509_privkey_init(&parsed) != 0)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a key");
    gnutls_datum_t text = {.data = (unsigned char *)(uintptr_t)key, .size = (unsigned)strlen(key)};
    int rc = gnutls_x509_privkey_import2(parsed, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(parsed);
    if (rc == 0) return GS_OK;
    return gs_fail(err, status_of(rc),
                   "--tls-key %.200s: %s (expected a private key in PEM without a password)",
                   key_path, gnutls_strerror(rc));
}

static gs_status check_pair(const gs_tls *tls, const char *certificate_path, const char *key_path,
                            gs_error *err) {
    GS_TRY(check_dates(tls->certificate, certificate_path, err));
    GS_TRY(check_key(key_path, tls->key, err));
    gnutls_certificate_credentials_t pair;
    if (gnutls_certificate_allocate_credentials(&pair) != 0)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a certificate");
    gnutls_datum_t certificate = datum(tls->certificate), key = datum(tls->key);
    int rc = gnutls_certificate_set_x509_key_mem(pair, &certificate, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(pair);
    if (rc >= 0) return GS_OK;
    return gs_fail(err, status_of(rc), "--tls-key %.120s is not the key of --tls-cert %.120s (%s)",
                   key_path, certificate_path, gnutls_strerror(rc));
}

static gs_status read_pem(const char *option, const char *path, char **out, gs_error *err) {
    size_t size;
    gs_error why;
    gs_status status = gs_file_read(path, PEM_BYTES_MAX, out, &size, &why);
    return status ? gs_fail(err, status, "%s: %.400s", option, why.text) : GS_OK;
}

gs_status gs_tls_read(const char *certificate_path, const char *key_path, gs_tls *out,
                      gs_error *err) {
    gs_tls tls = {0};
    if (!certificate_path != !key_path)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--tls-cert and --tls-key belong together");
    *out = tls;
    if (!key_path) return GS_OK;
    gs_status status = read_pem("--tls-cert", certificate_path, &tls.certificate, err);
    if (!status) status = read_pem("--tls-key", key_path, &tls.key, err);
    if (!status) status = check_pair(&tls, certificate_path, key_path, err);
    if (status)
        gs_tls_deinit(&tls);
    else
        *out = tls;
    return status;
}

void gs_tls_deinit(gs_tls *tls) {
    if (tls->key) explicit_bzero(tls->key, strlen(tls->key));
    gs_free(tls->key);
    gs_free(tls->certificate);
    *tls = (gs_tls){0};
}
