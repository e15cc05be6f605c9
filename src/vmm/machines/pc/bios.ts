/**
 * A small BIOS, for kernels of the multiboot protocol that go back to real mode and ask: Xen for a place for its trampoline, the
 * video mode and the map of memory, GRUB for memory, keys and a screen. It tells how much memory there is (INT 12h; INT 15h with
 * AH = 88h, AX = E801h, E820h); its screen and its keyboard are the first serial port (INT 10h with AH = 02h, 03h, 09h, 0Eh, 0Fh;
 * INT 16h); INT 18h, INT 19h and a jump to F000:FFF0 are a reset. All else is answered as no such function: there are no disks.
 * Source: Ralf Brown's Interrupt List (INT 10, 11, 12, 15, 16; of INT 15, AH = 86h: "function not supported"); Memory List,
 * 40:00, 40:0E, 40:13, 40:50.
 */
import { memoryRanges, type Placed } from "./boot.js";
import { highMemory, lowMemoryEnd } from "./memory-map.js";

/** In the data area, whose segment is 0x40: the first serial port; the segment of the extended one; KiB below that. */
const Data = { serial: 0x400, extended: 0x40e, lowKibibytes: 0x413, end: 0x500 } as const;
const com1 = 0x3f8;

const segment = 0xf000;
/** Behind all of firmware's tables; in the segment, and in memory. */
const offset = 0xf000;
const place = (segment << 4) + offset;
/** Where a processor begins after a reset, and who wants one jumps to. */
const entry = 0xf_fff0;
/** Where the PC's controllers have their lines: nobody asks anything by these. */
const lines = [0x08, 0x70];

/** Code of 16 bits, one routine behind the other: they jump to each other, and to what lies behind them (`told`). */
const routines = {
  // push bp; mov bp, sp; or byte [bp+6], 1; pop bp; mov ah, 0x86; iret (line): the carry flag of who asked is set.
  refuse: "5589e5804e06015db486cf",
  // push bp; mov bp, sp; and byte [bp+6], 0xfe; pop bp; iret: it is cleared.
  done: "5589e5806606fe5dcf",
  // cmp ah, 0x0e; je print; cmp ah, 9; je print; push ds; push 0; pop ds; cmp ah, 2; je place; cmp ah, 3; je where; pop ds;
  // cmp ah, 0x0f; jne refuse; mov ax, 0x5003; mov bh, 0; iret: 80 columns of text.
  video: "80fc0e744080fc09743b1e6a001f80fc02741a80fc03740c1f80fc0f75ceb80350b700cf",
  // mov cx, 0x0607; mov dx, [0x450]; pop ds; iret.
  where: "b907068b1650041fcf",
  // cmp dh, [0x451]; mov [0x450], dx; pop ds; je line; push ax; mov al, 13; call send; mov al, 10; call send; pop ax; iret: a new
  // row is a new line.
  place: "3a365104891650041f74be50b00de81900b00ae8140058cf",
  // call send; cmp al, 13; jne line; push ds; push 0; pop ds; mov byte [0x450], 0; pop ds; iret.
  print: "e80f003c0d75aa1e6a001fc6065004001fcf",
  // push dx; push ax; mov dx, 0x3fd; again: in al, dx; test al, 0x20; jz again; pop ax; mov dl, 0xf8; out dx, al; pop dx; ret.
  send: "5250bafd03eca82074fb58b2f8ee5ac3",
  // mov ax, 0x200; iret: a serial port.
  equipment: "b80002cf",
  // mov ax, cs:[lowKibibytes]; iret.
  memory: "2ea14ef1cf",
  // cmp ax, 0xe820; je map; cmp ax, 0xe801; je sizes; cmp ah, 0x88; jne refuse; mov ax, cs:[extended]; jmp done.
  system: "3d20e874233d01e8740e80fc880f856bff2ea150f1e96fff",
  // mov ax, cs:[below16]; mov cx, ax; mov bx, cs:[above16]; mov dx, bx; jmp done.
  sizes: "2ea152f189c12e8b1e54f189dae95fff",
  // cmp edx, "SMAP"; jne refuse; cmp ecx, 20; jb refuse; movzx eax, byte cs:[count]; cmp ebx, eax; jae refuse; push ds; push si;
  // push di; push cs; pop ds; imul si, bx, 20; add si, ranges; mov cx, 10; cld; rep movsw; pop di; pop si; pop ds; mov ecx, 20;
  // inc bx; cmp bx, ax; jne more; xor bx, bx; more: mov eax, edx; jmp done.
  map: "6681fa50414d530f8549ff6683f9140f8241ff2e660fb60656f16639c30f8333ff1e56570e1f6bf31481c657f1b90a00fcf3a55f5e1f66b9140000004339c3750231db6689d0e916ff",
  // and ah, 0xef; jz take; dec ah; jnz shift; call key; push bp; mov bp, sp; and byte [bp+6], 0xbf; test al, al; jnz some;
  // or byte [bp+6], 0x40; some: pop bp; iret: the zero flag says that nothing was typed.
  keyboard: "80e4ef7418fecc7524e824005589e5806606bf84c07504804e06405dcf",
  // call key; jz take; push ds; push 0; pop ds; mov byte [0x4f0], 0; pop ds; iret.
  take: "e8100074fb1e6a001fc606f004001fcf",
  // mov al, 0; iret.
  shift: "b000cf",
  // push dx; push ds; xor ax, ax; mov ds, ax; mov al, [0x4f0]; test al, al; jnz have; mov dx, 0x3fd; in al, dx; and al, 1;
  // jz have; mov dl, 0xf8; in al, dx; mov [0x4f0], al; have: test al, al; pop ds; pop dx; ret.
  key: "521e31c08ed8a0f00484c0750ebafd03ec24017406b2f8eca2f00484c01f5ac3",
  // mov dx, 0xcf9; mov al, 6; out dx, al; here: hlt; jmp here.
  reset: "baf90cb006eef4ebfd",
} as const;

/** Who answers which interrupt. */
const answers: Readonly<Record<number, keyof typeof routines>> = {
  16: "video",
  17: "equipment",
  18: "memory",
  21: "system",
  22: "keyboard",
  24: "reset",
  25: "reset",
};

const code = Uint8Array.from(Object.values(routines).join("").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** Where a routine lies in the segment. */
function at(name: keyof typeof routines): number {
  const names = Object.keys(routines) as (keyof typeof routines)[];
  const before = names.slice(0, names.indexOf(name));
  return offset + before.reduce((sum, one) => sum + routines[one].length / 2, 0);
}

/** What the routines tell: KiB below 640, KiB above 1 MiB, the same up to 16 MiB, what is above in 64 KiB, the map of memory. */
function told(memorySize: number): Uint8Array {
  const ranges = memoryRanges(memorySize);
  const above = (memorySize - highMemory) >> 10;
  const words = [
    lowMemoryEnd >> 10,
    Math.min(above, 0xfc00),
    Math.min(above, 0x3c00),
    Math.max(above - 0x3c00, 0) >> 6,
  ];
  const view = new DataView(new ArrayBuffer(9 + 20 * ranges.length));
  for (const [i, word] of words.entries()) view.setUint16(2 * i, word, true);
  view.setUint8(8, ranges.length);
  for (const [i, [start, length, kind]] of ranges.entries()) {
    view.setBigUint64(9 + 20 * i, BigInt(start), true);
    view.setBigUint64(17 + 20 * i, BigInt(length), true);
    view.setUint32(25 + 20 * i, kind, true);
  }
  return new Uint8Array(view.buffer);
}

/** What of it lies where, on a machine with so many bytes of memory. */
export function bios(memorySize: number): readonly Placed[] {
  const low = new DataView(new ArrayBuffer(Data.end));
  const refuses = at("refuse");
  // Its last byte, which returns.
  const line = at("done") - 1;
  for (let vector = 0; vector < 256; vector++) {
    const isLine = lines.some((first) => vector >= first && vector < first + 8);
    const answer = answers[vector];
    low.setUint16(4 * vector, answer ? at(answer) : isLine ? line : refuses, true);
    low.setUint16(4 * vector + 2, segment, true);
  }
  low.setUint16(Data.serial, com1, true);
  low.setUint16(Data.extended, lowMemoryEnd >> 4, true);
  low.setUint16(Data.lowKibibytes, lowMemoryEnd >> 10, true);
  const reset = at("reset");
  return [
    { address: 0, bytes: new Uint8Array(low.buffer) },
    { address: place, bytes: Uint8Array.from([...code, ...told(memorySize)]) },
    // A far jump.
    { address: entry, bytes: Uint8Array.of(0xea, reset & 0xff, reset >> 8, segment & 0xff, segment >> 8) },
  ];
}
