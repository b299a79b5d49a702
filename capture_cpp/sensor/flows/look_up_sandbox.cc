#include "flows/look_up_sandbox.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>

#include "confinement.h"
#include "events.h"
#include "sandbox.h"

namespace weir::sensor {
namespace {

constexpr std::uint16_t kDnsPort = 53;

// Configuration, the libraries that nsswitch.conf names, and what caches share. Whole folders, as a rule
// for a file would not hold for the next one of its name.
constexpr auto kReadFolders = std::to_array<const char*>({
    "/etc", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/run/nscd", "/var/cache/nscd", "/var/db/nscd",
    "/run/systemd/resolve", "/run/systemd/machines",
});

// What getaddrinfo takes with the libraries that usually answer it; sockets are looked at more closely.
constexpr auto kLookUpCalls = std::to_array<int>({
    __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_pread64, __NR_openat, __NR_close, __NR_close_range, __NR_fstat,
    __NR_newfstatat, __NR_statx, __NR_lseek, __NR_getdents64, __NR_readlinkat, __NR_faccessat, __NR_faccessat2, __NR_fcntl, __NR_ioctl,
    __NR_mmap, __NR_munmap, __NR_mremap, __NR_mprotect, __NR_madvise, __NR_brk,
    __NR_connect, __NR_bind, __NR_sendto, __NR_sendmsg, __NR_sendmmsg, __NR_recvfrom, __NR_recvmsg, __NR_recvmmsg, __NR_ppoll,
    __NR_pselect6, __NR_getsockname, __NR_getpeername, __NR_getsockopt, __NR_setsockopt, __NR_shutdown,
    __NR_futex, __NR_set_robust_list, __NR_rseq, __NR_sched_yield, __NR_sched_getaffinity, __NR_exit, __NR_exit_group,
    __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack, __NR_restart_syscall, __NR_tgkill,
    __NR_gettid, __NR_getpid, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getrandom, __NR_sysinfo, __NR_uname,
    __NR_clock_gettime, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday,
#ifdef __NR_poll  // not on newer architectures
    __NR_poll, __NR_select, __NR_open, __NR_access, __NR_readlink, __NR_stat, __NR_lstat,
#endif
});

void BecomeSomebody(const std::string& user) {
  if (!user.empty() || ::geteuid() != 0) return BecomeUser(user);
  try {
    BecomeUser("nobody");
  } catch (const SensorError& error) {
    Say(Event("warning").Text("sandbox", "look-up").Text("why", error.what())
            .Text("what", "names are looked up as root, without its capabilities; it can read what root owns in /etc"));
  }
}

void LockFiles() {
  FileRules rules;
  for (const char* folder : kReadFolders) rules.AllowReading(folder);
  std::error_code error;  // resolv.conf is often a link to where it is kept up to date
  const std::filesystem::path servers = std::filesystem::canonical("/etc/resolv.conf", error);
  if (!error) rules.AllowReading(servers.parent_path().c_str());
  rules.AllowConnecting(kDnsPort);
  rules.Enforce();
}

void LockCalls() {
  CallFilter filter;
  filter.Allow(kLookUpCalls);
  filter.AllowSockets({{AF_INET, SOCK_STREAM, IPPROTO_TCP}, {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
                       {AF_INET, SOCK_DGRAM, IPPROTO_UDP}, {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
                       {AF_UNIX, SOCK_STREAM, 0}, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}});
  filter.Enforce();
}

bool CanRead(const std::string& file) { return CanOpen(file.c_str(), O_RDONLY); }

}  // namespace

void EnterLookUpSandbox(const std::string& user) {
  DropBoundingSet();  // while it may
  BecomeSomebody(user);
  DropCapabilities();
  ForbidNewPrivileges();
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // nobody else of this user can look into it
  LockFiles();
  LockCalls();
}

void CheckLookUpSandbox(const Options& options, Promises* promises) {
  const bool knows_ports = KnowsPorts();
  EnterLookUpSandbox(options.user);
  promises->Try("reading /etc/shadow", false, [] { return CanRead("/etc/shadow"); });
  promises->Try("reading /proc", false, [] { return CanRead("/proc/version"); });
  for (const std::string& key : {options.key_file, options.flows.key_file}) {
    if (!key.empty()) promises->Try("reading the key " + key, false, [&key] { return CanRead(key); });
  }
  promises->Try("writing in /tmp", false, [] { return CanOpen("/tmp", O_WRONLY | O_TMPFILE); });
  promises->Try("looking into the sensor", false, [] { return ::ptrace(PTRACE_SEIZE, ::getppid(), nullptr, nullptr) == 0; });
  promises->Try("opening a packet socket", false, [] { return CanMakeSocket(AF_PACKET, SOCK_RAW); });
  promises->Try("opening a raw socket", false, [] { return CanMakeSocket(AF_INET, SOCK_RAW, IPPROTO_UDP); });
  if (knows_ports) promises->TryConnectingElsewhere("connecting to another port than that of DNS", kDnsPort);
  promises->TryRights();
}

}  // namespace weir::sensor
