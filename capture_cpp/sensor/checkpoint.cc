#include "checkpoint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <tuple>

#include "disk.h"

namespace weir::sensor {
namespace {

constexpr std::uint64_t kMagic = 0x3230'5249'4557ULL;  // "WEIR02"

template <std::size_t size>
void SetText(char (&room)[size], const std::string& text) {
  const std::size_t length = std::min(text.size(), size - 1);
  std::memcpy(room, text.data(), length);
  room[length] = '\0';
}

template <std::size_t size>
std::string GetText(const char (&room)[size]) {
  return {room, strnlen(room, size)};
}

template <std::size_t size>
void SetCounters(std::atomic<std::uint64_t> (&room)[size], const Counters& counters) {
  static_assert(size == std::tuple_size_v<decltype(kCounterNames)>);
  for (std::size_t i = 0; i < size; ++i) room[i].store(counters.*kCounterNames[i].field);
}

template <std::size_t size>
Counters GetCounters(const std::atomic<std::uint64_t> (&room)[size]) {
  Counters counters;
  for (std::size_t i = 0; i < size; ++i) counters.*kCounterNames[i].field = room[i];
  return counters;
}

}  // namespace

Checkpoint::Checkpoint() : own_(std::make_unique<Page>()), page_(own_.get()) {}

Checkpoint::~Checkpoint() {
  if (page_ != own_.get()) ::munmap(page_, sizeof(Page));
}

std::error_code Checkpoint::MakeFile(int folder, const std::string& name, const Origin& origin) {
  constexpr mode_t kOwnerWritesGroupReads = 0640;
  const Descriptor file(::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kOwnerWritesGroupReads));
  if (!file.open()) return LastError();
  // Written out, not only made long: a mapping of blocks that a full disk cannot give is fatal to touch.
  const std::array<std::byte, sizeof(Page)> zeros = {};
  std::error_code error = WriteAll(file.get(), zeros);
  void* mapped = error ? MAP_FAILED : ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    if (!error) error = LastError();
    ::unlinkat(folder, name.c_str(), 0);
    return error;
  }
  page_ = new (mapped) Page();
  SetText(page_->source, origin.source);
  SetText(page_->filter, origin.filter);
  SetText(page_->privacy, origin.privacy);
  page_->magic.store(kMagic);
  return {};
}

void Checkpoint::CountDrops(std::uint64_t kernel, std::uint64_t interface) {
  page_->kernel_dropped.store(kernel, std::memory_order_relaxed);
  page_->interface_dropped.store(interface, std::memory_order_relaxed);
}

void Checkpoint::SetSealed(const SealedSoFar& sealed) {
  page_->drop_spool.store(0);
  SetCarried(sealed);
}

// All at once, by the flip at the end.
void Checkpoint::SetCarried(const SealedSoFar& sealed) {
  const std::uint64_t next = 1 - page_->active.load();
  Slot& slot = page_->slots[next];
  slot.segments.store(sealed.segments);
  SetCounters(slot.counters, sealed.counters);
  std::memcpy(slot.previous_sha256, sealed.previous_sha256.data(), std::min(sealed.previous_sha256.size(), sizeof slot.previous_sha256));
  slot.has_previous.store(sealed.previous_sha256.size() == sizeof slot.previous_sha256 ? 1 : 0);
  SetCounters(slot.carried, sealed.carried);
  const Dropping dropping = sealed.dropping.value_or(Dropping{});
  slot.is_dropping.store(sealed.dropping ? 1 : 0);
  SetText(slot.dropping_boot, dropping.stem.boot);
  slot.dropping_seq.store(dropping.stem.seq);
  SetCounters(slot.dropping, dropping.counters);
  page_->active.store(next);
}

std::optional<LastWords> Checkpoint::Read(int folder, const std::string& name, std::error_code* error) {
  const Descriptor file(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const auto page = std::make_unique<Page>();
  const ssize_t got = file.open() ? ::pread(file.get(), static_cast<void*>(page.get()), sizeof(Page), 0) : -1;
  *error = got < 0 && errno != ENOENT ? LastError() : std::error_code();
  if (got != sizeof(Page)) return std::nullopt;
  if (page->magic != kMagic || page->active > 1) return std::nullopt;
  const Slot& slot = page->slots[page->active];
  LastWords words;
  words.origin = {GetText(page->source), GetText(page->filter), GetText(page->privacy)};
  words.sealed.segments = slot.segments;
  words.sealed.counters = GetCounters(slot.counters);
  if (slot.has_previous != 0) words.sealed.previous_sha256.assign(slot.previous_sha256, sizeof slot.previous_sha256);
  words.sealed.carried = GetCounters(slot.carried);
  if (slot.is_dropping != 0) words.sealed.dropping = {{GetText(slot.dropping_boot), slot.dropping_seq}, GetCounters(slot.dropping)};
  words.seen.read = page->read;
  words.seen.filtered = page->filtered;
  words.seen.kernel_dropped = page->kernel_dropped;
  words.seen.interface_dropped = page->interface_dropped;
  words.seen.received = words.seen.read + words.seen.kernel_dropped;
  words.drop_spool = page->drop_spool;
  return words;
}

// The slots are there before the number that says which of them holds.
std::error_code Checkpoint::Amend(int folder, const std::string& name, const LastWords& words) {
  const Descriptor file(::openat(folder, name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.open()) return LastError();
  Checkpoint amended;
  Page& page = *amended.page_;
  if (::pread(file.get(), static_cast<void*>(&page), sizeof page, 0) != sizeof page) return std::make_error_code(std::errc::io_error);
  page.read.store(words.seen.read);
  page.filtered.store(words.seen.filtered);
  amended.CountDrops(words.seen.kernel_dropped, words.seen.interface_dropped);
  amended.SetCarried(words.sealed);
  amended.SetSpoolDrops(words.drop_spool);
  const std::span<const std::byte> whole(reinterpret_cast<const std::byte*>(&page), sizeof page);
  constexpr std::size_t kHeadBytes = offsetof(Page, slots);
  if (const std::error_code error = WriteAllAt(file.get(), whole.subspan(kHeadBytes), kHeadBytes)) return error;
  return WriteAllAt(file.get(), whole.first(kHeadBytes), 0);
}

}  // namespace weir::sensor
