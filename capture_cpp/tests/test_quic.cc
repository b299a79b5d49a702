#include "application/quic.h"

#include <gtest/gtest.h>

#include "application/quic_keys.h"
#include "parsing.h"
#include "quic_seal.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::Message;
using test::ParseBytes;
using test::operator+;

TEST(Quic, ReadsTheHelloInsideTheInitialPacket) {
  const Fields fields = FieldsOf("quic", test::SealInitial(test::QuicFrames()), 443, true, true);
  EXPECT_EQ(fields.Text(TextField::kQuicVersion), "0x00000001");
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "www.example.org");
  EXPECT_EQ(fields.Text(TextField::kTlsAlpn), "h3,h2");
  EXPECT_TRUE(fields.Text(TextField::kTlsJa4).starts_with("q13d0204h3_"));
}

TEST(Quic, JoinsAHelloSpreadOverTwoDatagrams) {
  const Frame hello = test::ClientHello();
  const Frame first(hello.begin(), hello.begin() + 50);
  const Frame second(hello.begin() + 50, hello.end());
  const Frame one = test::SealInitial(Frame{6, 0, 50} + first, 0);
  const Frame two = test::SealInitial(Frame{6, 50} + (test::Big16(0x4000 | second.size()) + second), 1);
  Fields fields;
  const Message like{"quic", one, true, 443};
  EXPECT_EQ(ParseBytes(Find("quic"), one, like, false, &fields), Verdict::kMore);
  EXPECT_EQ(ParseBytes(Find("quic"), one + test::Zeros(9) + two, like, false, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "www.example.org");
}

TEST(Quic, SaysOnlyTheVersionOfAPacketThatIsNotAuthentic) {
  Frame packet = test::SealInitial(test::QuicFrames());
  packet.back() ^= 1;
  const Fields fields = FieldsOf("quic", packet, 443, true, true);
  EXPECT_EQ(fields.Text(TextField::kQuicVersion), "0x00000001");
  EXPECT_FALSE(fields.Has(TextField::kTlsSni));
}

// The sample and mask of RFC 9001, appendix A.2; version 2's header protection key is that of RFC 9369, appendix A.1.
TEST(QuicKeys, AreThoseThatTheRfcsPrint) {
  const Frame identifier = test::QuicIdentifier();
  const std::array<std::uint8_t, 16> sample{0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42, 0xb1, 0x23, 0xdc, 0x9b};
  const std::array<std::uint8_t, 5> mask{0x43, 0x7b, 0x9a, 0xec, 0x36};
  EXPECT_EQ(QuicKeys(*FindQuicVersion(1), identifier).Mask(sample), mask);
  constexpr std::array<std::uint8_t, 16> kProtection2{0x45, 0xb9, 0x5e, 0x15, 0x23, 0x5d, 0x6f, 0x45, 0xa6, 0xb1, 0x9c, 0xbc, 0xb0, 0x29, 0x4b, 0xa9};
  std::array<std::uint8_t, 32> block{};
  int size = 0;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), nullptr, kProtection2.data(), nullptr);
  EVP_EncryptUpdate(context, block.data(), &size, sample.data(), 16);
  EVP_CIPHER_CTX_free(context);
  const std::array<std::uint8_t, 5> mask2{block[0], block[1], block[2], block[3], block[4]};
  EXPECT_EQ(QuicKeys(*FindQuicVersion(0x6b3343cf), identifier).Mask(sample), mask2);
}

}  // namespace
}  // namespace weir
