/** The steps of SHA-1 and SHA-256. Source: Intel SDM, volume 2; FIPS 180-4. */

// @ts-ignore: decorator
@inline
function word(x: v128, lane: i32): u32 {
  switch (lane) {
    case 0:
      return i32x4.extract_lane(x, 0);
    case 1:
      return i32x4.extract_lane(x, 1);
    case 2:
      return i32x4.extract_lane(x, 2);
    default:
      return i32x4.extract_lane(x, 3);
  }
}
/** The most significant word first. */
function words(a: u32, b: u32, c: u32, d: u32): v128 {
  let x = i32x4.splat(d);
  x = i32x4.replace_lane(x, 1, c);
  x = i32x4.replace_lane(x, 2, b);
  return i32x4.replace_lane(x, 3, a);
}

function choose(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (~x & z);
}
function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (x & z) ^ (y & z);
}

/** SHA1RNDS4: four rounds of the function and the constant with this number. */
export function sha1Rounds(state: v128, message: v128, which: i32): v128 {
  const constant: u32 = which == 0 ? 0x5a827999 : which == 1 ? 0x6ed9eba1 : which == 2 ? 0x8f1bbcdc : 0xca62c1d6;
  let a = word(state, 3);
  let b = word(state, 2);
  let c = word(state, 1);
  let d = word(state, 0);
  // The fifth is in the message already.
  let e: u32 = 0;
  for (let i = 3; i >= 0; i--) {
    const f = which == 0 ? choose(b, c, d) : which == 2 ? majority(b, c, d) : b ^ c ^ d;
    const next = f + rotl<u32>(a, 5) + word(message, i) + e + constant;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  return words(a, b, c, d);
}

export function sha1Next(a: v128, b: v128): v128 {
  return i32x4.replace_lane(b, 3, word(b, 3) + rotl<u32>(word(a, 3), 30));
}

export function sha1First(a: v128, b: v128): v128 {
  return v128.xor(a, i8x16.shuffle(b, a, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23));
}

export function sha1Second(a: v128, b: v128): v128 {
  const first = rotl<u32>(word(a, 3) ^ word(b, 2), 1);
  const second = rotl<u32>(word(a, 2) ^ word(b, 1), 1);
  const third = rotl<u32>(word(a, 1) ^ word(b, 0), 1);
  return words(first, second, third, rotl<u32>(word(a, 0) ^ first, 1));
}

/** SHA256RNDS2: two rounds; the third operand has two words of the message with their constants. */
export function sha256Rounds(one: v128, two: v128, message: v128): v128 {
  let a = word(two, 3);
  let b = word(two, 2);
  let e = word(two, 1);
  let f = word(two, 0);
  let c = word(one, 3);
  let d = word(one, 2);
  let g = word(one, 1);
  let h = word(one, 0);
  for (let i = 0; i < 2; i++) {
    const first = choose(e, f, g) + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + word(message, i) + h;
    const second = majority(a, b, c) + (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22));
    h = g;
    g = f;
    f = e;
    e = first + d;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  return words(a, b, e, f);
}

function small0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}
function small1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}

export function sha256First(a: v128, b: v128): v128 {
  return words(
    word(a, 3) + small0(word(b, 0)),
    word(a, 2) + small0(word(a, 3)),
    word(a, 1) + small0(word(a, 2)),
    word(a, 0) + small0(word(a, 1)),
  );
}

export function sha256Second(a: v128, b: v128): v128 {
  const first = word(a, 0) + small1(word(b, 2));
  const second = word(a, 1) + small1(word(b, 3));
  const third = word(a, 2) + small1(first);
  return words(word(a, 3) + small1(second), third, second, first);
}
