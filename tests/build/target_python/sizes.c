/* What pyconfig.h says, held against the compiler. */
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <sys/types.h>
#include <wchar.h>
#ifndef _WIN32
#include <pthread.h>
#endif
#define HOLDS(c) _Static_assert(c, #c)
HOLDS(sizeof(void *) == SIZEOF_VOID_P); HOLDS(sizeof(long) == SIZEOF_LONG); HOLDS(sizeof(int) == SIZEOF_INT);
HOLDS(sizeof(short) == SIZEOF_SHORT); HOLDS(sizeof(long long) == SIZEOF_LONG_LONG); HOLDS(sizeof(wchar_t) == SIZEOF_WCHAR_T);
HOLDS(sizeof(time_t) == SIZEOF_TIME_T); HOLDS(sizeof(off_t) == SIZEOF_OFF_T); HOLDS(sizeof(size_t) == SIZEOF_SIZE_T);
HOLDS(sizeof(double) == SIZEOF_DOUBLE); HOLDS(sizeof(float) == SIZEOF_FLOAT); HOLDS(sizeof(Py_ssize_t) == sizeof(size_t));
HOLDS(sizeof(fpos_t) == SIZEOF_FPOS_T);
#ifdef SIZEOF_LONG_DOUBLE
HOLDS(sizeof(long double) == SIZEOF_LONG_DOUBLE);
#endif
#ifndef _WIN32
HOLDS(sizeof(pid_t) == SIZEOF_PID_T); HOLDS(sizeof(_Bool) == SIZEOF__BOOL); HOLDS(sizeof(uintptr_t) == SIZEOF_UINTPTR_T);
HOLDS(sizeof(pthread_t) == SIZEOF_PTHREAD_T);
#ifdef SIZEOF_PTHREAD_KEY_T
HOLDS(sizeof(pthread_key_t) == SIZEOF_PTHREAD_KEY_T);
#endif
#endif
#ifdef ALIGNOF_LONG
HOLDS(_Alignof(long) == ALIGNOF_LONG);
#endif
#ifdef ALIGNOF_SIZE_T
HOLDS(_Alignof(size_t) == ALIGNOF_SIZE_T);
#endif
/* gcc and clang do not agree about it on i386. */
#if defined(ALIGNOF_MAX_ALIGN_T) && !defined(_WIN32) && !defined(__i386__)
HOLDS(_Alignof(max_align_t) == ALIGNOF_MAX_ALIGN_T);
#endif
#ifdef WORDS_BIGENDIAN
HOLDS(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
#else
HOLDS(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
#endif
#if !defined(_WIN32) && defined(HAVE_GCC_UINT128_T) != defined(__SIZEOF_INT128__)
#error int128
#endif
#ifdef HAVE_USABLE_WCHAR_T
HOLDS((wchar_t)-1 > 0 && sizeof(wchar_t) == 4);
#endif
