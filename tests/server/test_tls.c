/* Reading a certificate and its key while allocations fail, ours and those of GnuTLS: a clear
 * error, and no key is left in memory that nobody holds. */
#include "../store/failing.h"

#include "base/file.h"
#include "server/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <time.h>

typedef struct pair {
    fixture *f;
    char certificate[96], key[96];
    gs_tls tls;
} pair;

static void must(int rc) {
    if (rc < 0) fail_msg("GnuTLS: %s", gnutls_strerror(rc));
}

static void write_pem(const fixture *f, const char *name, const gnutls_datum_t *pem, char *path,
                      size_t size) {
    const gs_file_piece piece = {.bytes = pem->data, .size = pem->size};
    snprintf(path, size, "%s/%s", f->folder, name);
    assert_ok(gs_file_replace(path, &piece, 1, &error));
}

/* A self-signed certificate of today. */
static pair make_pair(fixture *f) {
    pair p = {.f = f};
    const unsigned char serial = 1;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_datum_t text;
    must(gnutls_x509_privkey_init(&key));
    must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_x509_crt_init(&certificate));
    must(gnutls_x509_crt_set_version(certificate, 3));
    must(gnutls_x509_crt_set_serial(certificate, &serial, 1));
    must(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "localhost",
                                       strlen("localhost")));
    must(gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 60));
    must(gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 3600));
    must(gnutls_x509_crt_set_key(certificate, key));
    must(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0));
    must(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text));
    write_pem(f, "certificate.pem", &text, p.certificate, sizeof p.certificate);
    gnutls_free(text.data);
    must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text));
    write_pem(f, "key.pem", &text, p.key, sizeof p.key);
    gnutls_free(text.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return p;
}

/* GnuTLS names some failed allocations as faults of what it reads. */
static gs_status read_pair(void *context) {
    pair *p = context;
    gs_status status = gs_tls_read(p->certificate, p->key, &p->tls, &error);
    bool names_file = strstr(error.text, "--tls-cert") || strstr(error.text, "--tls-key");
    if (status == GS_INVALID_ARGUMENT && names_file) return GS_OUT_OF_MEMORY;
    return status;
}

static void is_whole_or_nothing(void *context, gs_status status) {
    pair *p = context;
    assert_int_equal(p->tls.certificate != NULL, status == GS_OK);
    assert_int_equal(p->tls.key != NULL, status == GS_OK);
    gs_tls_deinit(&p->tls);
}

static void a_pair_is_read_whole_or_not_at_all(void **state) {
    pair p = make_pair(*state);
    assert_ok(gs_tls_read(p.certificate, p.key, &p.tls, &error));
    is_whole_or_nothing(&p, GS_OK);
    run_with_every_failure(&(operation){NULL, read_pair, is_whole_or_nothing}, &p);
}

static void what_is_no_pair_is_refused_by_name(void **state) {
    pair p = make_pair(*state);
    char none[128];
    snprintf(none, sizeof none, "%s/none.pem", p.f->folder);
    assert_int_equal(gs_tls_read(p.certificate, NULL, &p.tls, &error), GS_INVALID_ARGUMENT);
    assert_int_equal(gs_tls_read(NULL, p.key, &p.tls, &error), GS_INVALID_ARGUMENT);
    assert_int_equal(gs_tls_read(p.certificate, none, &p.tls, &error), GS_NOT_FOUND);
    assert_non_null(strstr(error.text, "none.pem"));
    assert_int_equal(gs_tls_read(p.key, p.key, &p.tls, &error), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "--tls-cert"));
    assert_int_equal(gs_tls_read(p.certificate, p.certificate, &p.tls, &error),
                     GS_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "--tls-key"));
    assert_null(p.tls.certificate);
    assert_null(p.tls.key);
}

static void *tls_alloc(size_t size) {
    return gs_alloc(size, 1);
}

static void *tls_resize(void *memory, size_t size) {
    return gs_resize(memory, size, 1);
}

/* Its functions hand out what free takes back, so that what is there already can be freed. Without
 * memory GnuTLS loses some of its own, so that leaks are looked for in what is ours alone. */
static void share_memory_with_gnutls(void) {
#ifdef __SANITIZE_ADDRESS__
    (void)tls_alloc;
    (void)tls_resize;
#else
    gnutls_malloc = tls_alloc;
    gnutls_calloc = gs_alloc;
    gnutls_realloc = tls_resize;
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pair_is_read_whole_or_not_at_all),
        TEST(what_is_no_pair_is_refused_by_name),
    };
    must(gnutls_global_init());
    share_memory_with_gnutls();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
