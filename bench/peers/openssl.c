/* Reads a CRL with OpenSSL, verifies it and sorts its entries by serial number.
 * Usage: openssl-flatten ISSUER.pem FILE.crl
 * Prints the number of entries. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what) {
  fprintf(stderr, "openssl-flatten: %s\n", what);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) return fail("give ISSUER.pem and FILE.crl");
  FILE *f = fopen(argv[1], "rb");
  X509 *ca = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
  if (!ca) return fail("the issuer cannot be read");
  fclose(f);
  f = fopen(argv[2], "rb");
  if (!f || fseek(f, 0, SEEK_END)) return fail("the CRL cannot be opened");
  long size = ftell(f);
  rewind(f);
  unsigned char *der = malloc(size);
  if (!der || fread(der, 1, size, f) != (size_t)size) return fail("the CRL cannot be read");
  fclose(f);
  const unsigned char *p = der;
  X509_CRL *crl = d2i_X509_CRL(NULL, &p, size);
  if (!crl) return fail("the CRL cannot be parsed");
  if (X509_CRL_verify(crl, X509_get0_pubkey(ca)) != 1) return fail("the signature does not verify");
  if (X509_CRL_sort(crl) != 1) return fail("the entries cannot be sorted");
  printf("%d\n", sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)));
  return 0;
}
