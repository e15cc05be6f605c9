import { helper } from "../../../../semantics/signature.js";

/** Mode changes, interrupts and time. Implemented in `interrupts/*.as.ts`. */
export const systemHelpers = {
  /** sc: the argument is LEV. LEV 1 is a hypercall and leaves to the KVM core. */
  systemCall: helper("leaves", ["i32"], "void"),
  /** scv: the argument is LEV. */
  systemCallVectored: helper("leaves", ["i32"], "void"),
  /** rfid. */
  returnFromInterrupt: helper("leaves", [], "void"),
  /** rfscv. */
  returnFromSystemCallVectored: helper("leaves", [], "void"),
  /** mtmsr, mtmsrd: all 64 bits of the new value, the instruction's own masking done. Keeps HV and ME as they are. */
  setMsr: helper("context", ["i64"], "void"),
  /** The time base, 64 bits. */
  timeBase: helper("state", [], "i64"),
  /** mtspr TBU40 and the like are hypervisor's; the decrementer is the guest's. */
  decrementer: helper("state", [], "i64"),
  setDecrementer: helper("context", ["i64"], "void"),
  /** CFAR: the address of the last taken branch. */
  comeFrom: helper("state", [], "i64"),
  setComeFrom: helper("state", ["i64"], "void"),
  /** A facility unavailable interrupt; the argument is the interruption cause for FSCR[IC]. */
  facilityUnavailable: helper("leaves", ["i32"], "void"),
  /** msgsndp: RB. */
  sendDoorbell: helper("context", ["i64"], "void"),
  /** msgclrp: RB. */
  clearDoorbell: helper("state", ["i64"], "void"),
  /** wait, and the hints that give the processor away: lets the engine leave early. */
  pause: helper("context", [], "void"),
  /** isync: what follows is fetched anew, after what other processors asked for. */
  synchronizeContext: helper("context", [], "void"),
  /** A register that decides about translation or facilities was written (PID, AMR, IAMR, LPCR...): derive anew. */
  contextChanged: helper("context", [], "void"),
};
