#include "testing/fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RUNLET_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define RUNLET_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RUNLET_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define RUNLET_TSAN 1
#endif

#if defined(RUNLET_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(RUNLET_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

// swapcontext() makes two system calls (the signal mask), which cost a hundred times the switch. Where the hardware
// keeps a shadow stack (CET), only the C library knows how to switch.
#if defined(__x86_64__) && !(defined(__CET__) && (__CET__ & 2)) && !defined(RUNLET_FIBER_UCONTEXT)
#define RUNLET_FIBER_ASSEMBLY 1
#else
#include <ucontext.h>
#endif

namespace runlet::testing {

#if defined(RUNLET_FIBER_ASSEMBLY)

// Pushes what a callee must keep, leaves the stack pointer in *save, takes up the other stack and what is on it. Signal
// masks are not touched.
extern "C" void runlet_fiber_switch(void** save, void* load) __attribute__((visibility("hidden")));
// Where a new stack begins: calls r12 with r13. Nothing can be unwound beyond it.
extern "C" void runlet_fiber_start() __attribute__((visibility("hidden")));

asm(R"(
    .pushsection .text
    .p2align 4
    .hidden runlet_fiber_switch
    .globl runlet_fiber_switch
    .type runlet_fiber_switch, @function
runlet_fiber_switch:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    .cfi_def_cfa_offset 64
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size runlet_fiber_switch, .-runlet_fiber_switch

    .p2align 4
    .hidden runlet_fiber_start
    .globl runlet_fiber_start
    .type runlet_fiber_start, @function
runlet_fiber_start:
    .cfi_startproc
    .cfi_undefined rip
    movq %r13, %rdi
    call *%r12
    ud2
    .cfi_endproc
    .size runlet_fiber_start, .-runlet_fiber_start
    .popsection
)");

namespace {

struct Registers {
  void* stack_pointer = nullptr;

  void Prepare(void* stack, std::size_t bytes, void (*start)(Fiber*), Fiber* fiber) {
    // As runlet_fiber_switch() leaves a stack, from its lowest word up; entered by `ret` with the stack aligned for a
    // call.
    struct Frame {
      std::uint32_t mxcsr = 0x1F80;  // the defaults of the ABI
      std::uint32_t x87_control = 0x037F;
      void* r15 = nullptr;
      void* r14 = nullptr;
      Fiber* r13;
      void (*r12)(Fiber*);
      void* rbx = nullptr;
      void* rbp = nullptr;  // ends a chain of frame pointers
      void (*return_address)() = runlet_fiber_start;
      void* padding[2] = {};
    };
    const Frame frame{.r13 = fiber, .r12 = start};
    stack_pointer = static_cast<char*>(stack) + bytes - sizeof(Frame);
    std::memcpy(stack_pointer, &frame, sizeof(Frame));
  }
  void SwitchTo(Registers& target) { runlet_fiber_switch(&stack_pointer, target.stack_pointer); }
};

#else

namespace {

struct Registers {
  ucontext_t context = {};

  void Prepare(void* stack, std::size_t bytes, void (*start)(Fiber*), Fiber* fiber) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = bytes;
    // makecontext() passes on nothing wider than an int.
    const auto f = reinterpret_cast<std::uintptr_t>(fiber);
    const auto s = reinterpret_cast<std::uintptr_t>(start);
    makecontext(&context, reinterpret_cast<void (*)()>(&Begin), 4, static_cast<unsigned>(s >> 32),
                static_cast<unsigned>(s), static_cast<unsigned>(f >> 32), static_cast<unsigned>(f));
  }
  void SwitchTo(Registers& target) { swapcontext(&context, &target.context); }

 private:
  static void Begin(unsigned start_high, unsigned start_low, unsigned fiber_high, unsigned fiber_low) {
    const auto join = [](unsigned high, unsigned low) { return std::uintptr_t{high} << 32 | low; };
    reinterpret_cast<void (*)(Fiber*)>(join(start_high, start_low))(
        reinterpret_cast<Fiber*>(join(fiber_high, fiber_low)));
  }
};

#endif

}  // namespace

struct Fiber::Context {
  Registers registers;
  // What the C++ runtime keeps for each thread: the exceptions caught, and how many are on their way.
  alignas(void*) unsigned char exceptions[2 * sizeof(void*)] = {};
  const void* stack = nullptr;
  std::size_t stack_bytes = 0;
#if defined(RUNLET_ASAN)
  void* fake_stack = nullptr;
#endif
#if defined(RUNLET_TSAN)
  void* thread = nullptr;
#endif
};

Fiber::Fiber() : context_(std::make_unique<Context>()) {}

std::unique_ptr<Fiber> Fiber::Adopt() { return std::unique_ptr<Fiber>(new Fiber()); }

Fiber::Fiber(std::size_t stack_bytes, void (*entry)(void*), void* arg)
    : entry_(entry), arg_(arg), context_(std::make_unique<Context>()) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  context_->stack_bytes = (stack_bytes + page - 1) / page * page;
  mapping_bytes_ = context_->stack_bytes + page;
  mapping_ = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapping_ == MAP_FAILED || mprotect(mapping_, page, PROT_NONE) != 0) {
    std::fprintf(stderr, "runlet: no memory for a fiber with a stack of %zu bytes\n", context_->stack_bytes);
    std::abort();
  }
  void* const stack = static_cast<char*>(mapping_) + page;
  context_->stack = stack;
  context_->registers.Prepare(stack, context_->stack_bytes, &Fiber::Start, this);
#if defined(RUNLET_TSAN)
  context_->thread = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#if defined(RUNLET_TSAN)
  __tsan_destroy_fiber(context_->thread);
#endif
#if defined(RUNLET_ASAN)
  // The frames that were abandoned left their marks; whoever gets these addresses next knows nothing of them.
  __asan_unpoison_memory_region(context_->stack, context_->stack_bytes);
#endif
  munmap(mapping_, mapping_bytes_);
}

void Fiber::SwitchTo(Fiber& target) {
  if (&target == this) return;
  Leave(target, /*for_ever=*/false);
  Arrive();
}

void Fiber::ExitTo(Fiber& target) {
  Leave(target, /*for_ever=*/true);
  std::abort();  // somebody switched to a fiber that had left for ever
}

void Fiber::Leave(Fiber& target, bool for_ever) {
  auto* const exceptions = abi::__cxa_get_globals();
  std::memcpy(context_->exceptions, exceptions, sizeof(context_->exceptions));
  std::memcpy(exceptions, target.context_->exceptions, sizeof(context_->exceptions));
  target.came_from_ = this;
#if defined(RUNLET_ASAN)
  // A null place to keep the fake stack in frees it.
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &context_->fake_stack, target.context_->stack,
                                 target.context_->stack_bytes);
#else
  static_cast<void>(for_ever);
#endif
#if defined(RUNLET_TSAN)
  if (mapping_ == nullptr) context_->thread = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(target.context_->thread, 0);
#endif
  context_->registers.SwitchTo(target.context_->registers);
}

// On the stack that was switched to.
void Fiber::Arrive() {
#if defined(RUNLET_ASAN)
  // This is also how the bounds of an adopted stack become known, when it is left for the first time.
  __sanitizer_finish_switch_fiber(context_->fake_stack, &came_from_->context_->stack,
                                  &came_from_->context_->stack_bytes);
#endif
}

void Fiber::Start(Fiber* fiber) {
  fiber->Arrive();
  fiber->entry_(fiber->arg_);
  std::fputs("runlet: the entry of a fiber returned\n", stderr);
  std::abort();
}

}  // namespace runlet::testing
