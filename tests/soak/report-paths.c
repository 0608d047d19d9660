/* For LD_PRELOAD behind gcc's libasan: where both sanitizers write their reports, $AVENIR_SANITIZER_LOG-address.PID and
 * $AVENIR_SANITIZER_LOG-undefined.PID. Their own option log_path does not do: each of the two libraries has a setting of
 * its own, and both set that of libasan, so that the other one writes to the standard error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void set_path(void *library, const char *kind) {
  void (*set)(const char *) = NULL;
  char path[4096];
  *(void **)&set = dlsym(library, "__sanitizer_set_report_path");
  snprintf(path, sizeof path, "%s-%s", getenv("AVENIR_SANITIZER_LOG"), kind);
  if (set != NULL) set(path);
}

__attribute__((constructor)) static void begin(void) {
  void *undefined = dlopen("libubsan.so.1", RTLD_NOW);
  if (undefined == NULL || getenv("AVENIR_SANITIZER_LOG") == NULL) return;
  set_path(RTLD_DEFAULT, "address");
  set_path(undefined, "undefined");
}
