/* processor.c - see processor.h. What a compiler asks when it is told -march=native: on x86 the CPUID instruction
 * (Intel's manual, volume 2A; AMD's, volume 3, appendix E) and which registers the system saves (XGETBV); elsewhere what
 * the system says of the hardware.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/processor.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined __x86_64__ || defined __i386__
#include <cpuid.h>

typedef struct processor_id { unsigned eax, ebx, ecx, edx; } processor_id;

static processor_id processor_ask(unsigned leaf, unsigned subleaf) {
    processor_id r = { 0 };
    if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) r = (processor_id){ 0 };
    return r;
}

/* The state that the system saves when it switches threads: bits 1 and 2 are SSE and AVX, 5 to 7 AVX-512. */
static uint32_t processor_saved_state(void) {
    uint32_t low = 0, high = 0;
    if (processor_ask(1, 0).ecx >> 27 & 1) __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Masked out is what differs between equal processors, or says nothing of instructions: the stepping, the number of this
 * core, hyper-threading, that it runs in a virtual machine, defences against attacks. */
void btl_processor_describe(char text[BTL_PROCESSOR_BYTES]) {
    processor_id vendor = processor_ask(0, 0), one = processor_ask(1, 0), seven = processor_ask(7, 0);
    processor_id seven1 = seven.eax ? processor_ask(7, 1) : (processor_id){ 0 };
    processor_id amd = processor_ask(0x80000001u, 0);
    char name[13] = "";
    memcpy(name, &vendor.ebx, 4), memcpy(name + 4, &vendor.edx, 4), memcpy(name + 8, &vendor.ecx, 4);
    snprintf(text, BTL_PROCESSOR_BYTES, "x86 %s %x %x.%x %x.%x.%x %x.%x %x.%x %x.%x %x", name, one.eax & ~15u,
             one.ecx & 0x7fffffffu, one.edx & ~(1u << 28), seven.ebx, seven.ecx, seven.edx & 0x03ffffffu, seven1.eax,
             seven1.edx, amd.ecx, amd.edx, processor_ask(0xd, 1).eax, processor_ask(0x24, 0).ebx & 0xffff00ffu,
             processor_saved_state());
}

bool btl_processor_has_avx512(void) {
    return (processor_ask(7, 0).ebx >> 16 & 1) && (processor_saved_state() & 0xe6) == 0xe6;
}

#else

#ifdef __linux__
#include <sys/auxv.h>
#endif

#if defined __aarch64__
#define PROCESSOR_NAME "aarch64"
#elif defined __arm__
#define PROCESSOR_NAME "arm"
#elif defined __riscv
#define PROCESSOR_NAME "riscv"
#elif defined __powerpc64__
#define PROCESSOR_NAME "ppc64"
#elif defined __s390x__
#define PROCESSOR_NAME "s390x"
#elif defined __loongarch__
#define PROCESSOR_NAME "loongarch"
#else
#define PROCESSOR_NAME "other"
#endif

void btl_processor_describe(char text[BTL_PROCESSOR_BYTES]) {
    unsigned long has = 0, has2 = 0;
#ifdef __linux__
    has = getauxval(AT_HWCAP);
    has2 = getauxval(AT_HWCAP2);
#endif
    snprintf(text, BTL_PROCESSOR_BYTES, PROCESSOR_NAME " %d %lx %lx", (int)sizeof(void *) * 8, has, has2);
}

bool btl_processor_has_avx512(void) { return false; }

#endif
