#include "sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "disk.h"
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
constexpr int kFirstAbiWithTruncate = 3;
constexpr int kFirstAbiWithPorts = 4;
constexpr std::uint64_t kLandlockBindTcp = 1ULL << 0;
constexpr std::uint64_t kLandlockConnectTcp = 1ULL << 1;
constexpr int kLandlockRulePort = 2;
struct LandlockRules {
  std::uint64_t files;
  std::uint64_t network;
};
struct LandlockPort {
  std::uint64_t allowed;
  std::uint64_t port;
};
constexpr int kFirstAbiWithRefer = 2;

constexpr std::uint64_t kEverythingOfAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr std::uint64_t kReadFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriteSpool =
    kReadFiles | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;

// What reading packets and writing files takes. New sockets, processes and programs are not in it.
constexpr auto kAllowedCalls = std::to_array<int>({
    __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_pread64, __NR_pwrite64, __NR_openat, __NR_close, __NR_fstat,
    __NR_newfstatat, __NR_statx, __NR_lseek, __NR_getdents64, __NR_readlinkat, __NR_faccessat, __NR_faccessat2, __NR_ftruncate,
    __NR_fsync, __NR_fdatasync, __NR_renameat, __NR_unlinkat, __NR_fcntl, __NR_flock, __NR_ioctl,
    __NR_mmap, __NR_munmap, __NR_mremap, __NR_mprotect, __NR_madvise, __NR_brk,
    __NR_ppoll, __NR_bind, __NR_getsockopt, __NR_setsockopt, __NR_recvfrom, __NR_recvmsg,
    __NR_futex, __NR_set_robust_list, __NR_rseq, __NR_sched_yield, __NR_sched_getaffinity, __NR_exit, __NR_exit_group,
    __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack, __NR_restart_syscall, __NR_tgkill,
    __NR_gettid, __NR_getpid, __NR_getuid, __NR_geteuid, __NR_getrandom, __NR_sysinfo, __NR_uname,
    __NR_clock_gettime, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday,
#ifdef __NR_poll  // not on newer architectures
    __NR_poll, __NR_readlink, __NR_stat, __NR_lstat,
#endif
});

// What keeping a connection to a broker takes besides; sockets are looked at more closely.
constexpr auto kBrokerCalls = std::to_array<int>({
    __NR_connect, __NR_sendto, __NR_getsockname, __NR_getpeername, __NR_shutdown, __NR_pselect6, __NR_socketpair,
});

void Warn(const std::string& part, const std::string& what) { Say(Event("warning").Text("sandbox", part).Text("what", what)); }

long Landlock(long call, const void* one, std::size_t two, std::uint32_t three) { return ::syscall(call, one, two, three); }

void Allow(int ruleset, int folder, std::uint64_t access) {
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = folder;
  if (::syscall(__NR_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    Warn("landlock", std::string("a folder could not be allowed: ") + std::strerror(errno));
  }
}

long LandlockAbi() { return Landlock(__NR_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION); }

void AllowPort(int ruleset, std::uint16_t port) {
  const LandlockPort rule = {kLandlockConnectTcp, port};
  if (::syscall(__NR_landlock_add_rule, ruleset, kLandlockRulePort, &rule, 0) != 0) {
    Warn("landlock", std::string("a port could not be allowed: ") + std::strerror(errno));
  }
}

// From here on only `folder` is writable, only the interface statistics can be read besides, and only
// `ports` connected to.
void LockFiles(int folder, const std::vector<std::uint16_t>& ports) {
  const long abi = LandlockAbi();
  if (abi < 1) return Warn("landlock", "this kernel has none; file rights are all that keeps files apart");
  const std::uint64_t truncate = abi >= kFirstAbiWithTruncate ? kLandlockTruncate : 0;
  LandlockRules handled = {};
  handled.files = kEverythingOfAbi1 | truncate | (abi >= kFirstAbiWithRefer ? LANDLOCK_ACCESS_FS_REFER : 0);
  const bool knows_ports = abi >= kFirstAbiWithPorts;
  if (knows_ports) handled.network = kLandlockBindTcp | kLandlockConnectTcp;
  if (!ports.empty() && !knows_ports) Warn("landlock", "this kernel is older than 6.7; connections to other ports than the broker's are not refused");
  const std::size_t size = knows_ports ? sizeof handled : sizeof handled.files;
  const Descriptor ruleset(static_cast<int>(Landlock(__NR_landlock_create_ruleset, &handled, size, 0)));
  for (const std::uint16_t port : ports) {
    if (knows_ports) AllowPort(ruleset.get(), port);
  }
  if (folder >= 0) Allow(ruleset.get(), folder, kWriteSpool | truncate);
  const Descriptor statistics(::open("/sys/devices", O_PATH | O_CLOEXEC));
  if (statistics.open()) Allow(ruleset.get(), statistics.get(), kReadFiles);
  if (::syscall(__NR_landlock_restrict_self, ruleset.get(), 0) != 0) Warn("landlock", std::strerror(errno));
}

void DropCapabilities() {
  // Only root may shrink the bounding set; without it no_new_privs alone keeps capabilities away.
  for (int capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) continue;
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none = {};
  if (::syscall(__NR_capset, &header, none.data()) != 0) Warn("capabilities", std::strerror(errno));
}

sock_filter Load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
sock_filter Return(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;

void AllowCall(int call, std::vector<sock_filter>* program) {
  program->push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
  program->push_back(Return(SECCOMP_RET_ALLOW));
}

// Sockets for TCP over IPv4 or IPv6, and no others.
void AllowTcp(std::vector<sock_filter>* program) {
  constexpr std::uint32_t kTypeBits = 0xf;  // beside them are SOCK_CLOEXEC and SOCK_NONBLOCK
  constexpr std::size_t kArgumentBytes = sizeof(std::uint64_t);
  const std::vector<sock_filter> check = {
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 8),
      Load(offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 4),
      Load(offsetof(seccomp_data, args) + kArgumentBytes),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kTypeBits),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 0, 1),
      Return(SECCOMP_RET_ALLOW),
      Return(kRefuse),
  };
  program->insert(program->end(), check.begin(), check.end());
}

// Every other call fails with EPERM, so that a library which tries one takes its other path.
std::vector<sock_filter> CallFilter(bool has_broker) {
  constexpr std::uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;
  std::vector<sock_filter> program = {
      Load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      // clone3 hides its flags from filters; without it libc takes clone, which shows them.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1),
      Return(kNoSuchCall),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 4),
      Load(offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
      Return(SECCOMP_RET_ALLOW),
      Return(kRefuse),
  };
  for (const int call : kAllowedCalls) AllowCall(call, &program);
  if (has_broker) {
    for (const int call : kBrokerCalls) AllowCall(call, &program);
    AllowTcp(&program);
  }
  program.push_back(Return(kRefuse));
  return program;
}

void LockCalls(bool has_broker) {
  std::vector<sock_filter> filter = CallFilter(has_broker);
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) Warn("seccomp", std::strerror(errno));
}

// One line of --check-sandbox: whether `attempt` came out as it should.
bool Try(const char* what, bool should_work, const std::function<bool()>& attempt) {
  errno = 0;
  const bool works = attempt();
  std::printf("%-7s %s%s%s\n", works == should_work ? "as said" : "WRONG", what, works ? " works" : " is refused: ",
              works ? "" : std::strerror(errno));
  return works == should_work;
}

bool CanOpen(const char* path, int flags) { return Descriptor(::open(path, flags | O_CLOEXEC, 0600)).open(); }

// What the kernel says of this process; opened before the sandbox closes /proc.
class Status {
 public:
  Status() : file_(::open("/proc/self/status", O_RDONLY | O_CLOEXEC)) {}

  // The number, in hexadecimal, behind a name such as CapEff; nothing where the kernel does not say.
  std::optional<std::uint64_t> Of(std::string_view name) const {
    constexpr std::size_t kMostBytes = 8192;
    std::array<char, kMostBytes> text;
    const ssize_t size = ::pread(file_.get(), text.data(), text.size(), 0);
    const std::string_view whole(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    const std::size_t line = whole.find("\n" + std::string(name) + ":\t");
    if (line == std::string_view::npos) return std::nullopt;
    const std::string_view digits = whole.substr(line + name.size() + 3);
    std::uint64_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    return number;
  }

 private:
  Descriptor file_;
};

// One line of --check-sandbox: whether the kernel says what it should.
bool Read(const char* what, const Status& status, std::string_view name, std::uint64_t expected) {
  const std::optional<std::uint64_t> found = status.Of(name);
  std::printf("%-7s %s: the kernel says %s %llx\n", found == expected ? "as said" : "WRONG", what, std::string(name).c_str(),
              static_cast<unsigned long long>(found.value_or(0)));
  return found == expected;
}

bool CanFork() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return child > 0;
}

// Whether it is at least not Landlock that says no.
bool CanConnectElsewhere(const std::vector<std::uint16_t>& ports) {
  constexpr std::uint16_t kDiscard = 9;
  constexpr std::uint16_t kDaytime = 13;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(ports.front() == kDiscard ? kDaytime : kDiscard);
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  return !socket.open() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno != EACCES;
}

bool CanWrite(int folder) {
  constexpr char kName[] = ".weir-check.part";
  const bool made = Descriptor(::openat(folder, kName, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).open();
  return made && ::unlinkat(folder, kName, 0) == 0;
}

}  // namespace

void BecomeUser(const std::string& user) {
  if (user.empty()) return;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) throw SensorError(ExitCode::kSettings, "--user " + user + ": there is no such user; getent passwd lists them");
  const uid_t uid = entry->pw_uid;
  const gid_t gid = entry->pw_gid;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0) {
    throw SensorError(ExitCode::kSettings, "--user " + user + ": " + std::strerror(errno) + "; only root can become somebody else");
  }
}

void EnterSandbox(int folder, const std::vector<std::uint16_t>& ports) {
  DropCapabilities();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Warn("no_new_privs", std::strerror(errno));
  LockFiles(folder, ports);
  LockCalls(!ports.empty());
}

bool CheckSandbox(int folder, const std::vector<std::uint16_t>& ports) {
  static constexpr char kStatistics[] = "/sys/devices/virtual/net/lo/statistics/rx_dropped";
  constexpr std::uint64_t kFilterMode = 2;
  const bool knows_ports = LandlockAbi() >= kFirstAbiWithPorts;
  const bool has_statistics = CanOpen(kStatistics, O_RDONLY);
  const Status status;
  EnterSandbox(folder, ports);
  bool good = Try("reading /etc/shadow", false, [] { return CanOpen("/etc/shadow", O_RDONLY); });
  good &= Try("reading /etc/passwd", false, [] { return CanOpen("/etc/passwd", O_RDONLY); });
  good &= Try("opening another packet socket", false, [] { return Descriptor(::socket(AF_PACKET, SOCK_RAW, 0)).open(); });
  good &= Try("opening a TCP socket", !ports.empty(), [] { return Descriptor(::socket(AF_INET, SOCK_STREAM, 0)).open(); });
  if (!ports.empty() && knows_ports) {
    good &= Try("connecting to another port than the broker's", false, [&] { return CanConnectElsewhere(ports); });
    good &= Try("opening a UDP socket", false, [] { return Descriptor(::socket(AF_INET, SOCK_DGRAM, 0)).open(); });
  }
  good &= Try("starting a process", false, CanFork);
  good &= Try("running a program", false, [] { return ::execl("/bin/true", "true", nullptr) == 0; });
  good &= Try("writing beside it", false, [] { return CanOpen("/", O_WRONLY | O_TMPFILE); });
  good &= Try("becoming root", false, [] { return ::setuid(0) == 0; });
  good &= Read("no capability is left", status, "CapPrm", 0);
  good &= Read("no program can bring rights back", status, "NoNewPrivs", 1);
  good &= Read("system calls are filtered", status, "Seccomp", kFilterMode);
  if (has_statistics) good &= Try("reading what interfaces count", true, [] { return CanOpen(kStatistics, O_RDONLY); });
  good &= Try("writing in the spool", true, [folder] { return CanWrite(folder); });
  return good;
}

}  // namespace weir::sensor
