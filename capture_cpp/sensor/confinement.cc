#include "confinement.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "events.h"

namespace weir::sensor {
namespace {

#ifdef __x86_64__
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "name this architecture's AUDIT_ARCH_ value here"
#endif

// Not yet in the kernel headers of Debian 12.
constexpr std::uint64_t kLandlockTruncate = 1ULL << 14;
constexpr int kFirstAbiWithRefer = 2;
constexpr int kFirstAbiWithTruncate = 3;
constexpr int kFirstAbiWithPorts = 4;
constexpr int kFirstAbiWithScopes = 6;
constexpr std::uint64_t kLandlockBindTcp = 1ULL << 0;
constexpr std::uint64_t kLandlockConnectTcp = 1ULL << 1;
constexpr int kLandlockRulePort = 2;
constexpr std::uint64_t kLandlockAbstractSockets = 1ULL << 0;
constexpr std::uint64_t kLandlockSignals = 1ULL << 1;
struct LandlockRules {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scopes;
};
struct LandlockPort {
  std::uint64_t allowed;
  std::uint64_t port;
};

constexpr std::uint64_t kEverythingOfAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr std::uint64_t kReadFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriteSpool =
    kReadFiles | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;

constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;

void Warn(const std::string& part, const std::string& what) { Say(Event("warning").Text("sandbox", part).Text("what", what)); }

long Landlock(long call, const void* one, std::size_t two, std::uint32_t three) { return ::syscall(call, one, two, three); }

long LandlockAbi() { return Landlock(__NR_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION); }

// Older kernels take the front of the rules.
std::size_t SizeOfRules(long abi) {
  if (abi >= kFirstAbiWithScopes) return sizeof(LandlockRules);
  return abi >= kFirstAbiWithPorts ? offsetof(LandlockRules, scopes) : offsetof(LandlockRules, network);
}

std::uint64_t Truncate(long abi) { return abi >= kFirstAbiWithTruncate ? kLandlockTruncate : 0; }

sock_filter Load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
sock_filter LoadArgument(std::size_t number) { return Load(offsetof(seccomp_data, args) + number * sizeof(std::uint64_t)); }
sock_filter Return(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

}  // namespace

bool KnowsPorts() { return LandlockAbi() >= kFirstAbiWithPorts; }

void DropBoundingSet() {
  for (int capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) continue;
}

void DropCapabilities() {
  DropBoundingSet();
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none = {};
  if (::syscall(__NR_capset, &header, none.data()) != 0) Warn("capabilities", std::strerror(errno));
}

void ForbidNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Warn("no_new_privs", std::strerror(errno));
}

FileRules::FileRules() : abi_(LandlockAbi()) {
  if (abi_ < 1) {
    Warn("landlock", "this kernel has none; file rights are all that keeps files apart");
    return;
  }
  LandlockRules handled = {};
  handled.files = kEverythingOfAbi1 | Truncate(abi_) | (abi_ >= kFirstAbiWithRefer ? LANDLOCK_ACCESS_FS_REFER : 0);
  handled.network = kLandlockBindTcp | kLandlockConnectTcp;
  handled.scopes = kLandlockAbstractSockets | kLandlockSignals;
  ruleset_ = Descriptor(static_cast<int>(Landlock(__NR_landlock_create_ruleset, &handled, SizeOfRules(abi_), 0)));
}

void FileRules::Allow(int folder, std::uint64_t access) const {
  if (abi_ < 1) return;
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = folder;
  if (::syscall(__NR_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    Warn("landlock", std::string("a folder could not be allowed: ") + std::strerror(errno));
  }
}

void FileRules::AllowReading(const char* path) {
  const Descriptor folder(::open(path, O_PATH | O_CLOEXEC | O_DIRECTORY));
  if (folder.open()) Allow(folder.get(), kReadFiles);
}

void FileRules::AllowSpool(int folder) { Allow(folder, kWriteSpool | Truncate(abi_)); }

void FileRules::AllowConnecting(std::uint16_t port) {
  if (abi_ < kFirstAbiWithPorts) return;
  const LandlockPort rule = {kLandlockConnectTcp, port};
  if (::syscall(__NR_landlock_add_rule, ruleset_.get(), kLandlockRulePort, &rule, 0) != 0) {
    Warn("landlock", std::string("a port could not be allowed: ") + std::strerror(errno));
  }
}

void FileRules::Enforce() const {
  if (abi_ < 1) return;
  if (::syscall(__NR_landlock_restrict_self, ruleset_.get(), 0) != 0) Warn("landlock", std::strerror(errno));
}

CallFilter::CallFilter()
    : program_{
          Load(offsetof(seccomp_data, arch)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
          Return(SECCOMP_RET_KILL_PROCESS),
          Load(offsetof(seccomp_data, nr)),
          // clone3 hides its flags from filters; without it libc takes clone, which shows them.
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1),
          Return(kNoSuchCall),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 4),
          LoadArgument(0),
          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
          Return(SECCOMP_RET_ALLOW),
          Return(kRefuse),
      } {}

void CallFilter::Allow(std::span<const int> calls) {
  for (const int call : calls) {
    program_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    program_.push_back(Return(SECCOMP_RET_ALLOW));
  }
}

void CallFilter::AllowSockets(std::initializer_list<SocketKind> kinds) {
  constexpr std::uint32_t kTypeBits = 0xf;  // beside them are SOCK_CLOEXEC and SOCK_NONBLOCK
  for (const SocketKind& kind : kinds) {
    const std::vector<sock_filter> check = {
        Load(offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 8),
        LoadArgument(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kind.family, 0, 6),
        LoadArgument(1),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kTypeBits),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kind.type, 0, 3),
        LoadArgument(2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kind.last_protocol, 1, 0),
        Return(SECCOMP_RET_ALLOW),
    };
    program_.insert(program_.end(), check.begin(), check.end());
  }
  program_.push_back(Load(offsetof(seccomp_data, nr)));  // for what is allowed behind
}

void CallFilter::AllowSending() {
  constexpr std::size_t kAddress = 4;
  const std::size_t address = offsetof(seccomp_data, args) + kAddress * sizeof(std::uint64_t);
  const std::vector<sock_filter> check = {
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendto, 0, 6),
      Load(address),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
      Load(address + sizeof(std::uint32_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
      Return(SECCOMP_RET_ALLOW),
      Return(kRefuse),
  };
  program_.insert(program_.end(), check.begin(), check.end());
}

void CallFilter::Enforce() {
  program_.push_back(Return(kRefuse));
  const sock_fprog program = {static_cast<unsigned short>(program_.size()), program_.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) Warn("seccomp", std::strerror(errno));
}

}  // namespace weir::sensor
