/**
 * x86 for the interpreter of all code that is neither 64-bit nor of 32 bits in flat segments: real mode, virtual-8086 mode, 16
 * bits, segments with bases and limits. It is complete and slow: how wide addresses and the stack are, what a segment's limit is
 * and what may be done there is looked at each time, by the run-time library (mmu/segmentation.as.ts). An instruction's address
 * is linear to the engine, and an offset in its segment to bodies.
 */

import type { HandlerPlace } from "../../../engine/interpret/target.js";
import { asI64, asNode } from "../../../engine/recorder.js";
import type { I64 } from "../../../semantics/values.js";
import { low } from "../isa/flags.js";
import { rsp, type Stack } from "../isa/machine.js";
import type { Size } from "../isa/registers.js";
import { InterpreterRecorder } from "./interpreter-recorder.js";
import { Segment, state } from "./layout.js";
import { place, record } from "./operands.js";
import type { MemoryPlace, Named, Where } from "./x86-recorder.js";

export class GeneralRecorder extends InterpreterRecorder {
  constructor(place: HandlerPlace) {
    super(place, false);
  }

  override checkTarget(target: I64, size: Size): void {
    this.call("checkTarget", target, this.i32.const(size));
  }

  override flagsAllowed(): void {
    this.call("flagsAllowed");
  }

  protected override vexAllowed(): void {
    this.call("protectedMode");
  }

  override cia(): I64 {
    const offset = state.segmentBase.offset + 8 * Segment.cs;
    const base = this.node("i64", [this.stateAddress()], (f) => f.load("i64", offset), "segments");
    return low(this, 32, this.i64.sub(super.cia(), asI64(base)));
  }

  /** What was found to be in the code segment stays so: a jump is a call of a routine, and a look-up. */
  override jump(target: I64): void {
    this.call("jumpNear", low(this, this.operandSize, target));
  }

  override again(): void {
    this.call("startOver");
  }

  protected override endInContextChange(): void {
    const next = this.i64.add(super.cia(), this.length());
    this.effect([this.stateAddress(), asNode(next)], [], (f, exits) => {
      f.store("i64", state.pc.offset);
      exits.leave(f);
    });
  }

  override stack(register = rsp): Stack {
    const { i32, i64 } = this;
    const at = asNode(i32.const(place(register)));
    return {
      address: (offset, bytes, write) => {
        const asked = [i32.const(offset), i32.const(bytes), i32.const(write ? 1 : 0)].map(asNode);
        return asI64(this.routine("stackAddress", [at, ...asked], "i64"));
      },
      moved: (by, more) => {
        const distance = more ? i64.add(i64.const(by), more) : i64.const(by);
        return asI64(this.routine("stackMoved", [at, asNode(distance)], "i64"));
      },
    };
  }

  protected override placeIn(where: Where, named: Named): MemoryPlace {
    const { i32 } = this;
    if (named === "modrm") {
      const { address } = super.placeIn(where, named);
      return { offset: () => asI64(this.routine("operandOffset", [this.word()], "i64")), address };
    }
    const offset = () => low(this, where.addressSize, named.offset());
    const segment = () => (named.heeds ? this.byte(record.segment) : i32.const(8 * Segment.es));
    return {
      offset,
      address: ({ bytes, write }) => {
        const asked = [segment(), offset(), i32.const(bytes), i32.const(write ? 1 : 0)].map(asNode);
        return asI64(this.routine("segmentAddress", asked, "i64"));
      },
    };
  }
}
