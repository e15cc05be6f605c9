/** KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, KVM_GET_PIT2, KVM_SET_PIT2: the controllers' and the timer's states as Linux has them. */
import { KvmError } from "../../../../base/errors.js";
import { type Check, integer, listOf, options, u64 } from "../../../../base/takes.js";
import type { Words } from "../../../../kvm/words.js";
import {
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  KVM_PIT_FLAGS_SPEAKER_DATA_ON,
  type X86IoapicState,
  type X86Irqchip,
  type X86PicState,
  type X86PitChannel,
  type X86PitState,
} from "../../uapi.js";
import { definedEntry, ioapicAddress, type ioapicState, pins } from "./ioapic.js";
import type { Irqchip } from "./irqchip.js";
import { canBeLevel, type picState } from "./pic.js";
import type { pitState } from "./pit.js";

const bit = integer(0, 1);
const byte = integer(0, 0xff);
const takesPic = options<X86PicState>({
  last_irr: byte,
  irr: byte,
  imr: byte,
  isr: byte,
  priority_add: integer(0, 7),
  irq_base: byte,
  read_reg_select: bit,
  poll: bit,
  special_mask: bit,
  init_state: integer(0, 3),
  auto_eoi: bit,
  rotate_on_auto_eoi: bit,
  special_fully_nested_mode: bit,
  init4: bit,
  elcr: byte,
  elcr_mask: byte,
});
const takesIoapic = options<X86IoapicState>({
  base_address: u64,
  ioregsel: byte,
  id: integer(0, 15),
  irr: integer(0, 2 ** pins - 1),
  redirtbl: listOf(u64),
});
const word = integer(0, 0xffff);
const takesChannel = options<X86PitChannel>({
  count: integer(0, 65536),
  latched_count: word,
  count_latched: integer(0, 4),
  status_latched: bit,
  status: byte,
  read_state: integer(0, 4),
  write_state: integer(0, 4),
  write_latch: byte,
  rw_mode: integer(0, 3),
  mode: integer(0, 5),
  bcd: bit,
  gate: bit,
  count_load_time: ((value, call, name) => {
    if (typeof value !== "bigint") throw new KvmError("EINVAL", `${call}: ${name} is no bigint`);
  }) satisfies Check,
});
const takesChannels = listOf(takesChannel);

/** Fields that are called and hold the same, by their names there. */
const picFields = {
  last_irr: "lines",
  irr: "requests",
  imr: "masked",
  isr: "inService",
  priority_add: "first",
  irq_base: "vectorBase",
  read_reg_select: "readsService",
  poll: "polled",
  special_mask: "specialMask",
  auto_eoi: "autoEnd",
  rotate_on_auto_eoi: "rotates",
  special_fully_nested_mode: "nested",
  init4: "fourth",
  elcr: "levels",
} as const satisfies Partial<Record<keyof X86PicState, keyof typeof picState.fields>>;
type PicField = keyof typeof picFields;

function picOf(words: Words<typeof picState.fields>, chip: 0 | 1): X86PicState {
  const entries = (Object.keys(picFields) as PicField[]).map((name) => [name, words.get(picFields[name], chip)]);
  const next = words.get("initialisation", chip);
  return {
    ...(Object.fromEntries(entries) as Pick<X86PicState, PicField>),
    init_state: Math.max(0, next - 1),
    elcr_mask: canBeLevel[chip],
  };
}

function setPic(words: Words<typeof picState.fields>, chip: 0 | 1, state: X86PicState): void {
  for (const name of Object.keys(picFields) as PicField[]) words.set(picFields[name], state[name], chip);
  words.set("vectorBase", state.irq_base & 0xf8, chip);
  words.set("levels", state.elcr & canBeLevel[chip], chip);
  words.set("initialisation", state.init_state && state.init_state + 1, chip);
}

function ioapicOf(words: Words<typeof ioapicState.fields>): X86IoapicState {
  return {
    base_address: BigInt(ioapicAddress),
    ioregsel: words.get("selected"),
    id: words.get("id"),
    irr: words.get("lines"),
    redirtbl: Array.from({ length: pins }, (_, pin) => words.get64("entries", pin)),
  };
}

function setIoapic(words: Words<typeof ioapicState.fields>, state: X86IoapicState): void {
  words.set("selected", state.ioregsel);
  words.set("id", state.id);
  words.set("lines", state.irr);
  for (const [pin, entry] of state.redirtbl.entries()) words.set64("entries", entry & definedEntry, pin);
}

const noChip = (chip: number): KvmError =>
  new KvmError(
    "EINVAL",
    `chip ${chip}: there are KVM_IRQCHIP_PIC_MASTER (0), _PIC_SLAVE (1) and KVM_IRQCHIP_IOAPIC (2)`,
  );

/** EINVAL: no such chip. */
export function getIrqchip(irqchip: Irqchip, chip: number): X86Irqchip {
  const { pic, ioapic } = irqchip.words;
  return irqchip.locked(() => {
    if (chip === KVM_IRQCHIP_PIC_MASTER || chip === KVM_IRQCHIP_PIC_SLAVE)
      return { chip_id: chip, pic: picOf(pic, chip as 0 | 1) };
    if (chip === KVM_IRQCHIP_IOAPIC) return { chip_id: chip, ioapic: ioapicOf(ioapic) };
    throw noChip(chip);
  });
}

/** EINVAL: no such chip, or not its state. */
export function setIrqchip(irqchip: Irqchip, { chip_id: chip, pic, ioapic }: X86Irqchip): void {
  const call = "vm.setIrqchip";
  if (chip === KVM_IRQCHIP_IOAPIC) {
    takesIoapic(ioapic, call, "ioapic");
    const state = ioapic as X86IoapicState;
    if (state.redirtbl.length !== pins) throw new KvmError("EINVAL", `${call}: redirtbl has ${pins} entries`);
    if (state.base_address !== BigInt(ioapicAddress)) {
      throw new KvmError("EINVAL", `${call}: base_address is 0x${ioapicAddress.toString(16)}, where it stays`);
    }
    irqchip.loaded(() => setIoapic(irqchip.words.ioapic, state));
  } else if (chip === KVM_IRQCHIP_PIC_MASTER || chip === KVM_IRQCHIP_PIC_SLAVE) {
    takesPic(pic, call, "pic");
    irqchip.loaded(() => setPic(irqchip.words.pic, chip as 0 | 1, pic as X86PicState));
  } else throw noChip(chip);
}

type PitWords = Words<typeof pitState.fields>;

/** Which byte is next: Linux counts both of a pair apart from a single one. */
const stateOf = (access: number, high: number): number => (access === 3 ? 3 + high : access);

function channelOf(words: PitWords, i: number): X86PitChannel {
  const access = words.get("access", i);
  const [latched, status] = [words.get("latchedCount", i), words.get("latchedStatus", i)];
  return {
    count: words.get("count", i),
    latched_count: latched === 0 ? 0 : latched - 1,
    count_latched: latched === 0 ? 0 : access,
    status_latched: status === 0 ? 0 : 1,
    status: status === 0 ? 0 : status - 1,
    read_state: stateOf(access, words.get("readsHigh", i)),
    write_state: stateOf(access, words.get("writesHigh", i)),
    write_latch: words.get("lowWritten", i),
    rw_mode: access,
    mode: words.get("mode", i),
    bcd: words.get("decimal", i),
    gate: words.get("gate", i),
    count_load_time: BigInt(Math.floor(words.float("loaded", i) * 1e6)),
  };
}

function setChannel(words: PitWords, i: number, one: X86PitChannel): void {
  words.set("count", one.count, i);
  words.set("latchedCount", one.count_latched ? one.latched_count + 1 : 0, i);
  words.set("latchedStatus", one.status_latched ? one.status + 1 : 0, i);
  words.set("readsHigh", one.read_state === 4 ? 1 : 0, i);
  words.set("writesHigh", one.write_state === 4 ? 1 : 0, i);
  words.set("lowWritten", one.write_latch, i);
  words.set("access", one.rw_mode, i);
  words.set("mode", one.mode, i);
  words.set("decimal", one.bcd, i);
  words.set("gate", one.gate, i);
}

export function getPit(irqchip: Irqchip): X86PitState {
  const { pit } = irqchip.words;
  return irqchip.locked(() => ({
    channels: [0, 1, 2].map((i) => channelOf(pit, i)),
    flags: pit.get("speaker") ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0,
  }));
}

/** EINVAL: what no counter can be, or flags. `now`: the guest's time, ms, at which the counters begin anew. */
export function setPit(irqchip: Irqchip, { channels, flags }: X86PitState, now: number): void {
  const call = "vm.setPit2";
  takesChannels(channels, call, "channels");
  if (channels.length !== 3) throw new KvmError("EINVAL", `${call}: there are three channels`);
  if (flags & ~KVM_PIT_FLAGS_SPEAKER_DATA_ON) {
    throw new KvmError("EINVAL", `${call}: flags 0x${flags.toString(16)}; there is KVM_PIT_FLAGS_SPEAKER_DATA_ON (2)`);
  }
  irqchip.loaded(() => {
    for (const [i, channel] of channels.entries()) {
      setChannel(irqchip.words.pit, i, channel);
      irqchip.pit.restart(i, now);
    }
    irqchip.words.pit.set("speaker", flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON ? 1 : 0);
  });
}
