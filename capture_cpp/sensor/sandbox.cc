#include "sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "confinement.h"
#include "disk.h"
#include "events.h"
#include "promises.h"

namespace weir::sensor {
namespace {

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

// What keeping a connection to a broker takes besides; sockets and sending are looked at more closely.
constexpr auto kBrokerCalls = std::to_array<int>({
    __NR_connect, __NR_getsockname, __NR_getpeername, __NR_shutdown, __NR_pselect6, __NR_socketpair,
});

// From here on only `folder` is writable, only the interface statistics can be read besides, and only
// `ports` connected to.
void LockFiles(int folder, const std::vector<std::uint16_t>& ports) {
  FileRules rules;
  if (!ports.empty() && !KnowsPorts()) {
    Say(Event("warning").Text("sandbox", "landlock")
            .Text("what", "this kernel is older than 6.7; connections to other ports than the broker's are not refused"));
  }
  for (const std::uint16_t port : ports) rules.AllowConnecting(port);
  if (folder >= 0) rules.AllowSpool(folder);
  rules.AllowReading("/sys/devices");
  rules.Enforce();
}

void LockCalls(bool has_broker) {
  CallFilter filter;
  filter.Allow(kAllowedCalls);
  if (has_broker) {
    filter.Allow(kBrokerCalls);
    filter.AllowSending();  // as Fast Open would connect without asking Landlock
    // No protocol beyond TCP, as Landlock knows the ports of no other: not those of Multipath TCP.
    filter.AllowSockets({{AF_INET, SOCK_STREAM, IPPROTO_TCP}, {AF_INET6, SOCK_STREAM, IPPROTO_TCP}});
  }
  filter.Enforce();
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
  ForbidNewPrivileges();
  LockFiles(folder, ports);
  LockCalls(!ports.empty());
}

bool CheckSandbox(int folder, const std::vector<std::uint16_t>& ports) {
  static constexpr char kStatistics[] = "/sys/devices/virtual/net/lo/statistics/rx_dropped";
  const bool knows_ports = KnowsPorts();
  const bool has_statistics = CanOpen(kStatistics, O_RDONLY);
  Promises promises;
  EnterSandbox(folder, ports);
  promises.Try("reading /etc/shadow", false, [] { return CanOpen("/etc/shadow", O_RDONLY); });
  promises.Try("reading /etc/passwd", false, [] { return CanOpen("/etc/passwd", O_RDONLY); });
  promises.Try("opening another packet socket", false, [] { return CanMakeSocket(AF_PACKET, SOCK_RAW); });
  promises.Try("opening a TCP socket", !ports.empty(), [] { return CanMakeSocket(AF_INET, SOCK_STREAM); });
  if (!ports.empty() && knows_ports) {
    promises.TryConnectingElsewhere("connecting to another port than the broker's", ports.front());
    promises.Try("opening a socket of Multipath TCP", false, [] { return CanMakeSocket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP); });
    promises.Try("connecting by TCP Fast Open", false, CanFastOpen);
    promises.Try("opening a UDP socket", false, [] { return CanMakeSocket(AF_INET, SOCK_DGRAM); });
  }
  promises.TryRights();
  if (has_statistics) promises.Try("reading what interfaces count", true, [] { return CanOpen(kStatistics, O_RDONLY); });
  promises.Try("writing in the spool", true, [folder] { return CanWrite(folder); });
  return promises.kept();
}

}  // namespace weir::sensor
