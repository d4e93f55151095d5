/*
 * The floor: reads the files in 1 MB blocks and writes the same bytes to a socket, unparsed. This is the least that any
 * program can spend on it.
 *
 *   floor PORT FILE...
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES (1 << 20)

static char block[BLOCK_BYTES];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: floor PORT FILE...\n");
    return 2;
  }
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int to = socket(AF_INET, SOCK_STREAM, 0);
  if (to < 0 || connect(to, (struct sockaddr *)&peer, sizeof peer) < 0) fail("connect");
  for (int i = 2; i < argc; i++) {
    int from = open(argv[i], O_RDONLY);
    if (from < 0) fail(argv[i]);
    ssize_t n;
    while ((n = read(from, block, BLOCK_BYTES)) > 0) {
      for (ssize_t sent = 0; sent < n;) {
        ssize_t taken = write(to, block + sent, (size_t)(n - sent));
        if (taken < 0) fail("write");
        sent += taken;
      }
    }
    if (n < 0) fail(argv[i]);
    close(from);
  }
  /* Ends when the sink has read everything, as shipper does after the last acknowledgement. */
  shutdown(to, SHUT_WR);
  while (read(to, block, BLOCK_BYTES) > 0) {
  }
  return 0;
}
