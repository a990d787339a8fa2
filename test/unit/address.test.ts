import { describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import {
  isLoopback,
  isOwnAddress,
  isWildcard,
  parseAddress,
} from "../../src/os/address.ts";

const hex = (text: string) => parseAddress(text)?.toHex() ?? null;

describe("an address is sixteen bytes", () => {
  const same: Record<string, string[]> = {
    "00000000000000000000ffff7f000001": [
      ...["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
      ...["0:0:0:0:0:ffff:7f00:0001", "::FFFF:127.0.0.1"],
    ],
    "00000000000000000000000000000001": ["::1", "0:0:0:0:0:0:0:1", "0::1"],
    "00000000000000000000000000000000": ["::", "0::0", "0:0:0:0:0:0:0:0"],
    "20010db8000000000000000000000000": ["2001:db8::", "2001:DB8:0:0::"],
    "20010db8000000010002000300040005": ["2001:db8:0:1:2:3:4:5"],
  };
  for (const [bytes, texts] of Object.entries(same))
    for (const text of texts) test(text, () => expect(hex(text)).toBe(bytes));
});

describe("no address", () => {
  const texts = [
    ...["", "localhost", "127.1", "127.0.0.1.", "127.0.0.256", "0127.0.0.1"],
    ...[
      "0x7f.0.0.1",
      "2130706433",
      "1.2.3.4:80",
      "[::1]",
      "::1%lo",
      ":",
      ":::",
    ],
    ...["1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8"],
    ...["12345::", "::1.2.3", "1.2.3.4::", "::g", "1:2:3:4:5:6:7:1.2.3.4"],
    ...[" ::1", "::1 ", `${"0:".repeat(5_000)}:1`],
  ];
  for (const text of texts)
    test(JSON.stringify(text.slice(0, 30)), () => expect(hex(text)).toBeNull());
});

test("loopback", () => {
  for (const text of ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"])
    expect({ text, is: isLoopback(text) }).toEqual({ text, is: true });
  for (const text of [
    "128.0.0.1",
    "0.0.0.0",
    "::",
    "::2",
    "localhost",
    "::127.0.0.1",
  ])
    expect({ text, is: isLoopback(text) }).toEqual({ text, is: false });
});

test("every address of the host", () => {
  for (const text of ["0.0.0.0", "::", "::ffff:0.0.0.0"])
    expect({ text, is: isWildcard(text) }).toEqual({ text, is: true });
  for (const text of ["127.0.0.1", "::1", "0.0.0.1", "*", ""])
    expect({ text, is: isWildcard(text) }).toEqual({ text, is: false });
});

test("the host's own addresses are known, others are not taken for them", () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address } of own) expect(isOwnAddress(address)).toBe(true);
  expect(isOwnAddress("127.0.0.77")).toBe(true);
  for (const text of ["192.0.2.1", "2001:db8::1", "0.0.0.0", "localhost"])
    expect({ text, is: isOwnAddress(text) }).toEqual({ text, is: false });
});
