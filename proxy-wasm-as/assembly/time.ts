// Durations and times as configurations write them.
import { byteAt } from "./memory";

/** Milliseconds of a GEP-2257 duration ("1h30m", "500ms"); -1 when it is none. */
export function parseDuration(text: ArrayBuffer): i64 {
  const size = text.byteLength;
  let total: i64 = 0;
  let at = 0;
  for (let part = 0; part < 4 && at < size; part++) {
    let count: i64 = 0;
    const start = at;
    for (; at - start < 5 && byteAt(text, at) - 0x30 < 10; at++) count = count * 10 + <i64>(byteAt(text, at) - 0x30);
    if (at == start) return -1;
    const unit = byteAt(text, at++);
    const milli = unit == 0x6d && byteAt(text, at) == 0x73;
    if (milli) at++;
    if (!milli && unit != 0x68 && unit != 0x6d && unit != 0x73) return -1;
    total += count * (milli ? 1 : unit == 0x68 ? 3_600_000 : unit == 0x6d ? 60_000 : 1_000);
  }
  return size > 0 && at == size ? total : -1;
}

/** "Not a time". */
export const NO_TIME: i64 = i64.MIN_VALUE;

/** Milliseconds since the epoch of an RFC 3339 time ("2026-11-23T09:00:00+01:00"); NO_TIME when it is none. Capitals, and no leap seconds, as zod has it. */
export function parseTime(text: ArrayBuffer): i64 {
  if (text.byteLength < 20 || byteAt(text, 4) != 0x2d || byteAt(text, 7) != 0x2d || byteAt(text, 10) != 0x54) return NO_TIME;
  if (byteAt(text, 13) != 0x3a || byteAt(text, 16) != 0x3a) return NO_TIME;
  const year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return NO_TIME;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return NO_TIME;
  let at = 19;
  let fraction: i64 = 0;
  if (byteAt(text, at) == 0x2e) {
    const start = ++at;
    for (let unit: i64 = 100; byteAt(text, at) - 0x30 < 10; at++, unit /= 10) fraction += <i64>(byteAt(text, at) - 0x30) * unit;
    if (at == start) return NO_TIME;
  }
  const sign = byteAt(text, at);
  let offset = 0;
  if (sign == 0x5a) at++;
  else {
    const hours = digits(text, at + 1, 2), minutes = digits(text, at + 4, 2);
    if ((sign != 0x2b && sign != 0x2d) || byteAt(text, at + 3) != 0x3a || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return NO_TIME;
    offset = (hours * 60 + minutes) * (sign == 0x2d ? -1 : 1);
    at += 6;
  }
  if (at != text.byteLength) return NO_TIME;
  const seconds = (daysBefore(year, month, day) * 24 + hour) * 60 + minute - offset;
  return (seconds * 60 + second) * 1000 + fraction;
}

/** A number of exactly so many digits; -1 when one is none. */
function digits(text: ArrayBuffer, start: i32, count: i32): i32 {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const digit = byteAt(text, i) - 0x30;
    if (digit > 9) return -1;
    value = value * 10 + <i32>digit;
  }
  return value;
}

function daysIn(year: i32, month: i32): i32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/** Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March, so that a leap day is the last one. */
function daysBefore(year: i32, month: i32, day: i32): i64 {
  const y: i64 = month <= 2 ? year - 1 : year;
  const dayOfYear: i64 = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 + dayOfYear - 719_468;
}
