/* What OpenSSL alone can do: bytes from the memory of one process to fresh memory of another, by TLS 1.3 with a shared
 * key, AES-128-GCM.
 *
 *   tls receive ADDRESS BYTES       prints the port that it listens on, and ends when it has all
 *   tls send ADDRESS PORT BYTES     prints the seconds from the first byte to the receiver's answer
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kPiece = 1 << 20 };

static void need(int ok, const char* what) {
  if (ok) return;
  fprintf(stderr, "tls: %s failed\n", what);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static unsigned client_key(SSL* ssl, const char* hint, char* id, unsigned id_max, unsigned char* key, unsigned max) {
  (void)ssl, (void)hint, (void)max;
  snprintf(id, id_max, "bench");
  memset(key, 7, 32);
  return 32;
}

static unsigned server_key(SSL* ssl, const char* id, unsigned char* key, unsigned max) {
  (void)ssl, (void)id, (void)max;
  memset(key, 7, 32);
  return 32;
}

static SSL* open_tls(int fd, int server) {
  SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  need(context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION), "TLS 1.3");
  need(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"), "the cipher");
  SSL_CTX_set_psk_client_callback(context, client_key);
  SSL_CTX_set_psk_server_callback(context, server_key);
  SSL* ssl = SSL_new(context);
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  need(ssl != NULL && SSL_set_fd(ssl, fd), "SSL_new");
  need((server ? SSL_accept(ssl) : SSL_connect(ssl)) == 1, "the handshake");
  return ssl;
}

static struct sockaddr_in address_of(const char* text, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  need(inet_pton(AF_INET, text, &address.sin_addr) == 1, "the address");
  return address;
}

static int piece_of(long left) { return left < kPiece ? (int)left : kPiece; }

static void receive(const char* text, long bytes) {
  struct sockaddr_in address = address_of(text, 0);
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  need(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 1) == 0, "listening");
  need(getsockname(listener, (struct sockaddr*)&address, &size) == 0, "the port");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  SSL* ssl = open_tls(accept(listener, NULL, NULL), 1);
  char* const whole = malloc(bytes);
  need(whole != NULL, "finding memory");
  for (long have = 0; have < bytes;) {
    const int got = SSL_read(ssl, whole + have, piece_of(bytes - have));
    need(got > 0, "reading");
    have += got;
  }
  need(SSL_write(ssl, whole, 1) == 1, "answering");
}

static double send_all(const char* text, int port, long bytes) {
  struct sockaddr_in address = address_of(text, port);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  need(connect(fd, (struct sockaddr*)&address, sizeof address) == 0, "connecting");
  SSL* ssl = open_tls(fd, 0);
  char* const whole = malloc(bytes);
  need(whole != NULL, "finding memory");
  for (long i = 0; i < bytes; ++i) whole[i] = (char)(i * 2654435761u >> 13);
  const double start = now();
  for (long sent = 0; sent < bytes; sent += kPiece)
    need(SSL_write(ssl, whole + sent, piece_of(bytes - sent)) > 0, "writing");
  need(SSL_read(ssl, whole, 1) == 1, "the answer");
  return now() - start;
}

int main(int count, char** words) {
  if (count == 4 && strcmp(words[1], "receive") == 0) {
    receive(words[2], atol(words[3]));
    return 0;
  }
  need(count == 5 && strcmp(words[1], "send") == 0, "reading the command line");
  printf("%.6f\n", send_all(words[2], atoi(words[3]), atol(words[4])));
  return 0;
}
