#include "capture/link_watch.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "events.h"

namespace weir::sensor {
namespace {

constexpr std::size_t kDatagramBytes = 64 * 1024;

// Reads a T at `at`; nothing where it is not whole.
template <typename T>
std::optional<T> ReadAt(std::span<const std::byte> bytes, std::size_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return std::nullopt;
  T value = {};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string TextOf(std::span<const std::byte> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return {text, strnlen(text, bytes.size())};
}

void ReadAttributes(std::span<const std::byte> attributes, LinkNews* news) {
  for (std::size_t at = 0;;) {
    const auto head = ReadAt<rtattr>(attributes, at);
    if (!head || head->rta_len < sizeof(rtattr) || head->rta_len > attributes.size() - at) return;
    const std::span<const std::byte> value = attributes.subspan(at + sizeof(rtattr), head->rta_len - sizeof(rtattr));
    if (head->rta_type == IFLA_IFNAME) news->name = TextOf(value);
    if (head->rta_type == IFLA_STATS64) {
      const auto missed = ReadAt<std::uint64_t>(value, offsetof(rtnl_link_stats64, rx_missed_errors));
      const auto fifo = ReadAt<std::uint64_t>(value, offsetof(rtnl_link_stats64, rx_fifo_errors));
      if (missed && fifo) news->dropped = *missed + *fifo;
    }
    const std::size_t step = RTA_ALIGN(head->rta_len);
    if (step >= attributes.size() - at) return;
    at += step;
  }
}

std::optional<LinkNews> ParseMessage(std::span<const std::byte> message, const nlmsghdr& head) {
  LinkNews news;
  if (head.nlmsg_type == NLMSG_ERROR) {  // the answer to a question about an interface that is gone
    const auto error = ReadAt<nlmsgerr>(message, NLMSG_HDRLEN);
    return error && error->error != 0 ? std::optional(news) : std::nullopt;
  }
  if (head.nlmsg_type != RTM_NEWLINK && head.nlmsg_type != RTM_DELLINK) return std::nullopt;
  const auto link = ReadAt<ifinfomsg>(message, NLMSG_HDRLEN);
  if (!link || link->ifi_family != AF_UNSPEC) return std::nullopt;  // bridges tell of their ports under other families
  news.exists = head.nlmsg_type == RTM_NEWLINK;
  news.is_up = news.exists && (link->ifi_flags & IFF_UP) != 0 && (link->ifi_flags & IFF_RUNNING) != 0;
  news.index = link->ifi_index;
  news.type = link->ifi_type;
  const std::size_t attributes_at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(ifinfomsg));
  if (attributes_at < message.size()) ReadAttributes(message.subspan(attributes_at), &news);
  return news;
}

Descriptor OpenSocket() {
  Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl where = {};
  where.nl_family = AF_NETLINK;
  where.nl_groups = RTMGRP_LINK;
  if (!socket.open() || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) return {};
  return socket;
}

}  // namespace

std::vector<LinkNews> ParseLinkNews(std::span<const std::byte> datagram) {
  std::vector<LinkNews> all;
  while (const auto head = ReadAt<nlmsghdr>(datagram, 0)) {
    if (head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > datagram.size()) break;
    if (auto news = ParseMessage(datagram.first(head->nlmsg_len), *head)) all.push_back(std::move(*news));
    datagram = datagram.subspan(std::min<std::size_t>(datagram.size(), NLMSG_ALIGN(head->nlmsg_len)));
  }
  return all;
}

LinkWatch::LinkWatch(const std::string& interface) : interface_(interface), index_(static_cast<int>(if_nametoindex(interface.c_str()))) {
  if (index_ == 0) return;  // "any" is no interface of its own
  socket_ = OpenSocket();
  if (!socket_.open()) {
    Say(Event("warning").Text("interface", interface_).Text("why", std::strerror(errno)).Text("what", "it is not noticed when the link goes down"));
  }
}

void LinkWatch::Ask() {
  if (!is_working() || index_ == 0) return;
  struct {
    nlmsghdr head;
    ifinfomsg link;
  } question = {};
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = RTM_GETLINK;
  question.head.nlmsg_flags = NLM_F_REQUEST;
  question.link.ifi_family = AF_UNSPEC;
  question.link.ifi_index = index_;
  // Where it fails, the next one is a second away.
  [[maybe_unused]] const ssize_t written = ::write(socket_.get(), &question, sizeof question);
}

bool LinkWatch::IsOurs(LinkNews* news) {
  if (index_ == 0) return news->exists && news->name == interface_ && news->type == type_;
  if (news->index == 0) {  // our own question was refused
    news->index = index_;
    return true;
  }
  return news->index == index_;
}

std::vector<LinkNews> LinkWatch::Take() {
  std::vector<LinkNews> ours;
  if (!is_working()) return ours;
  std::vector<std::byte> room(kDatagramBytes);
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), room.data(), room.size(), 0);
    if (got < 0 && errno == ENOBUFS) {  // some were lost, so the state is asked for
      Ask();
      continue;
    }
    if (got <= 0) return ours;
    for (LinkNews& news : ParseLinkNews({room.data(), static_cast<std::size_t>(got)})) {
      if (!IsOurs(&news)) continue;
      if (news.exists) type_ = news.type;
      if (!news.exists) index_ = 0;
      ours.push_back(std::move(news));
    }
  }
}

void LinkWatch::Follow(const LinkNews& successor) { index_ = successor.index; }

}  // namespace weir::sensor
