#include "server/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_MAX = 256, PORT_MAX = 8, PORT_LAST = 65535, BACKLOG = 128 };

/* Splits "host:port" or "[v6]:port"; the port may be missing and is then "". */
static bool split(const char *text, char host[HOST_MAX], char port[PORT_MAX]) {
    const char *host_end, *rest;
    if (*text == '[') {
        text++;
        host_end = strchr(text, ']');
        if (!host_end) return false;
        rest = host_end + 1;
    } else {
        host_end = text + strcspn(text, ":");
        rest = host_end;
    }
    size_t length = (size_t)(host_end - text);
    if (length >= HOST_MAX || (*rest != '\0' && *rest != ':')) return false;
    if (*rest == ':') rest++;
    if (strlen(rest) >= PORT_MAX || rest[strspn(rest, "0123456789")] != '\0') return false;
    memcpy(host, text, length);
    host[length] = '\0';
    strcpy(port, rest);
    return true;
}

static bool address_is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    return false;
}

static gs_status open_socket(const struct addrinfo *info, const char *text, int *out,
                             gs_error *err) {
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return gs_fail_errno(err, "cannot open a socket for %s", text);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        gs_status status = gs_fail_errno(err, "cannot listen on %s", text);
        close(fd);
        return status;
    }
    *out = fd;
    return GS_OK;
}

static void format_url(int fd, const char *scheme, char out[GS_URL_SIZE]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[64] = "", port[16] = "";
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    const char *format = strchr(host, ':') ? "%s://[%s]:%s" : "%s://%s:%s";
    snprintf(out, GS_URL_SIZE, format, scheme, host, port);
}

gs_status gs_address_listen(const gs_address_wish *wish, int *socket_out, char url_out[GS_URL_SIZE],
                            gs_error *err) {
    const char *text = wish->text;
    char host[HOST_MAX], port[PORT_MAX];
    if (!split(text, host, port) || *port == '\0' || strtol(port, NULL, 10) > PORT_LAST)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "--listen %.200s: expected ADDRESS:PORT, such as 127.0.0.1:8080", text);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int problem = getaddrinfo(*host ? host : "127.0.0.1", port, &hints, &found);
    if (problem != 0)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--listen %.200s: %s", text,
                       gai_strerror(problem));
    gs_status status = GS_OK;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        if (wish->reach == GS_REACH_ANY || address_is_loopback(at->ai_addr)) continue;
        status =
            gs_fail(err, GS_UNUSABLE,
                    "--listen %.200s is not a loopback address: that needs --auth, and TLS by "
                    "--tls-cert and --tls-key, or --tls-by-proxy where a proxy in front has it",
                    text);
    }
    if (status == GS_OK) status = open_socket(found, text, socket_out, err);
    if (status == GS_OK) format_url(*socket_out, wish->scheme, url_out);
    freeaddrinfo(found);
    return status;
}

bool gs_host_is_loopback(const char *host) {
    char name[HOST_MAX], port[PORT_MAX];
    if (!split(host, name, port)) return false;
    if (strcasecmp(name, "localhost") == 0) return true;
    struct in_addr v4;
    if (inet_pton(AF_INET, name, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    struct in6_addr v6;
    return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool gs_origin_is_host(const char *origin, const char *scheme, const char *host) {
    size_t length = strlen(scheme);
    return strncasecmp(origin, scheme, length) == 0 && strcasecmp(origin + length, host) == 0;
}
