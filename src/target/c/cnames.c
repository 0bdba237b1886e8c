/* cnames.c - see cnames.h. SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/cnames.h"

#include <ctype.h>
#include <string.h>

/* Keywords of C from C89 to C23, of C++ (headers are read by both), and what compilers predefine without an underscore. */
static const char names_keywords[] =
    " auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return "
    "short signed sizeof static struct switch typedef union unsigned void volatile while alignas alignof asm bool constexpr false nullptr "
    "static_assert thread_local true typeof typeof_unqual and and_eq bitand bitor catch char16_t char32_t char8_t class co_await co_return "
    "co_yield compl concept const_cast consteval constinit decltype delete dynamic_cast explicit export friend mutable namespace new noexcept "
    "not not_eq operator or or_eq private protected public reinterpret_cast requires static_cast template this throw try typeid typename "
    "using virtual wchar_t xor xor_eq fortran linux unix i386 arm sparc mips ";

/* Types and macros of <stddef.h> and <stdint.h>, and variables of the text itself. */
static const char names_own[] =
    " int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intptr_t uintptr_t intmax_t uintmax_t size_t ptrdiff_t max_align_t "
    "offsetof NULL sizes in out work state base at memcpy memset ";

/* Functions of <math.h> and <complex.h>: each also with an f or l behind it. */
static const char names_maths[] =
    " acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 expm1 frexp ilogb ldexp log log10 log1p log2 logb modf "
    "scalbn scalbln scalb cbrt fabs hypot pow sqrt erf erfc lgamma tgamma gamma ceil floor nearbyint rint lrint llrint round lround llround trunc "
    "fmod remainder remquo copysign nan nextafter nexttoward fdim fmax fmin fma drem finite significand exp10 pow10 sincos j0 j1 jn y0 y1 yn "
    "roundeven isinf isnan cacos casin catan ccos csin ctan cacosh casinh catanh ccosh csinh ctanh cexp clog cabs cpow csqrt carg cimag conj cproj "
    "creal ";

/* Other functions of the standard C library and those of POSIX that a program meets, and the macros of its headers. */
static const char names_library[] =
    " main fpclassify isfinite isnormal signbit isgreater isgreaterequal isless islessequal islessgreater isunordered signgam "
    /* assert, complex, ctype, errno, fenv, inttypes, locale */
    "assert complex imaginary "
    "cacosf casinf catanf ccosf csinf ctanf cexpf clogf cabsf cpowf csqrtf cargf cimagf conjf cprojf crealf cacosl casinl catanl ccosl csinl "
    "ctanl cexpl clogl cabsl cpowl csqrtl cargl cimagl conjl cprojl creall complex imaginary "
    "isalnum isalpha isascii isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit tolower toupper toascii errno "
    "feclearexcept fegetexceptflag feraiseexcept fesetexceptflag fetestexcept fegetround fesetround fegetenv feholdexcept fesetenv "
    "feupdateenv imaxabs imaxdiv strtoimax strtoumax wcstoimax wcstoumax localeconv setlocale "
    /* setjmp, signal, stdarg, stdio */
    "setjmp longjmp sigsetjmp siglongjmp signal raise kill sigaction sigemptyset sigfillset sigaddset sigdelset va_arg va_copy va_end va_start "
    "clearerr fclose feof ferror fflush fgetc fgetpos fgets fopen fprintf fputc fputs fread freopen fscanf fseek fsetpos ftell fwrite getc "
    "getchar gets perror printf putc putchar puts remove rename rewind scanf setbuf setvbuf snprintf sprintf sscanf tmpfile tmpnam ungetc "
    "vfprintf vfscanf vprintf vscanf vsnprintf vsprintf vsscanf dprintf fdopen fileno fmemopen fseeko ftello getdelim getline open_memstream "
    "pclose popen getw putw asprintf vasprintf vdprintf ctermid stdin stdout stderr "
    /* stdlib, string, strings */
    "abort abs atexit atof atoi atol atoll bsearch calloc div exit free getenv labs ldiv llabs lldiv malloc mblen mbstowcs mbtowc qsort rand realloc "
    "srand strtod strtof strtol strtold strtoll strtoul strtoull system wcstombs wctomb aligned_alloc at_quick_exit quick_exit posix_memalign "
    "alloca random srandom drand48 erand48 lrand48 nrand48 mrand48 jrand48 srand48 seed48 lcong48 setenv unsetenv putenv mkstemp mkdtemp mktemp "
    "realpath reallocarray arc4random rand_r initstate setstate ecvt fcvt gcvt a64l l64a getsubopt "
    "memccpy memchr memcmp memcpy memmove memset mempcpy memrchr memmem strcat strchr strcmp strcoll strcpy strcspn strerror strlen strncat strncmp strncpy strpbrk "
    "strrchr strspn strstr strtok strxfrm strdup strndup strnlen strsignal strtok_r strsep stpcpy stpncpy strcasecmp strncasecmp strlcpy strlcat "
    "strchrnul strcasestr index rindex bcmp bcopy bzero ffs ffsl ffsll "
    /* threads, time, wchar, wctype */
    "asctime clock ctime difftime gmtime localtime mktime strftime time timespec_get clock_gettime clock_getres clock_settime nanosleep tzset timegm timezone daylight "
    "asctime_r ctime_r gmtime_r localtime_r strptime times "
    "btowc fgetwc fgetws fputwc fputws fwide fwprintf fwscanf getwc getwchar mbrlen mbrtowc mbsinit mbsrtowcs putwc putwchar swprintf swscanf "
    "ungetwc vfwprintf vfwscanf vswprintf vswscanf vwprintf vwscanf wcrtomb wcscat wcschr wcscmp wcscoll wcscpy wcscspn wcsftime wcslen wcsncat "
    "wcsncmp wcsncpy wcspbrk wcsrchr wcsrtombs wcsspn wcsstr wcstod wcstof wcstok wcstol wcstold wcstoll wcstoul wcstoull wcsxfrm wctob "
    "wmemchr wmemcmp wmemcpy wmemmove wmemset wprintf wscanf iswalnum iswalpha iswblank iswcntrl iswctype iswdigit iswgraph iswlower iswprint "
    "iswpunct iswspace iswupper iswxdigit towctrans towlower towupper wctrans wctype call_once "
    /* unistd and its like */
    "access alarm brk chdir chmod chown close connect accept bind listen socket send recv sendto recvfrom shutdown select poll creat crypt dup dup2 environ "
    "execl execle execlp execv execve execvp fcntl fork fstat fsync ftruncate getcwd getopt getpid getppid getuid ioctl isatty link lseek "
    "lstat mkdir mkfifo mmap munmap mprotect nice open opendir closedir readdir optarg optind opterr optopt pathconf pause pipe pread pwrite read "
    "readlink readv rmdir sbrk sleep stat swab symlink sync sysconf truncate ttyname umask uname unlink usleep utime vfork wait waitpid write writev "
    "dlopen dlsym dlclose dlerror encrypt ftw glob regcomp regexec syslog ";

static bool names_has(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = strstr(list, name); at && n; at = strstr(at + 1, name))
        if (at[-1] == ' ' && at[n] == ' ') return true;
    return false;
}

static bool names_is_library(const char *name) {
    char stem[24];
    size_t n = strlen(name);
    if (names_has(names_library, name) || names_has(names_maths, name)) return true;
    if (n < 3 || n > sizeof stem || (name[n - 1] != 'f' && name[n - 1] != 'l')) return false;
    memcpy(stem, name, n - 1);
    stem[n - 1] = 0;
    return names_has(names_maths, stem);
}

static bool names_is_identifier(const char *name) {
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}

/* btl_…, BTL_…, and k1, k1_exp …: functions and macros of the text. */
static bool names_is_ours(const char *name) {
    if (strncmp(name, "btl_", 4) == 0 || strncmp(name, "BTL_", 4) == 0) return true;
    if (*name != 'k' || !isdigit((unsigned char)name[1])) return false;
    while (isdigit((unsigned char)*++name)) {}
    return *name == 0 || *name == '_';
}

const char *btl_cname_problem(const char *name) {
    if (!names_is_identifier(name)) return "is no identifier of C";
    if (*name == '_') return "begins with _, as the names that C keeps for itself";
    if (names_has(names_keywords, name)) return "is a keyword of C or C++";
    if (names_is_library(name)) return "is a name of the C library";
    if (names_has(names_own, name) || names_is_ours(name)) return "is a name that generated code uses itself";
    return NULL;
}

static char *names_make_identifier(btl_arena *a, const char *wish) {
    const char *front = names_is_ours(wish) ? "f_" : isalpha((unsigned char)*wish) ? "" : "f";
    char *name = btl_arena_printf(a, "%s%s", front, wish);
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p)) *p = '_';
    return name;
}

const char *btl_cname_external(btl_arena *a, const char *wish) {
    const char *name = names_make_identifier(a, wish);
    return btl_cname_problem(name) ? btl_arena_printf(a, "%s_", name) : name;
}

typedef struct names_taken { const char *name; } names_taken;

const char *btl_cnames_take(btl_cnames *s, const char *wish) {
    const char *stem = names_make_identifier(s->arena, wish);
    if (names_has(names_keywords, stem) || names_has(names_own, stem)) stem = btl_arena_printf(s->arena, "%s_", stem);
    const char *name = stem;
    uint64_t hash = btl_hash_bytes(name, strlen(name), 0);
    for (int number = 2; btl_table_find(&s->taken, hash, btl_table_name_equal, name); number++) {
        name = btl_arena_printf(s->arena, "%s_%d", stem, number);
        hash = btl_hash_bytes(name, strlen(name), 0);
    }
    names_taken *taken = BTL_NEW(s->arena, names_taken);
    taken->name = name;
    btl_table_add(&s->taken, s->arena, hash, taken);
    return name;
}

bool btl_cname_occurs(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
        if (begins && !isalnum((unsigned char)at[n]) && at[n] != '_') return true;
    }
    return false;
}
