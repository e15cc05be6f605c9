/** Mnemonics that binutils spells in another way, or does not know for POWER9: each with the reason. */
export const objdumpDepartures: Readonly<Record<string, string>> = {
  dcbt: "binutils has further names for ranges of TH",
  dcbtst: "as dcbt",
  icbt: "binutils takes CT for optional where it stands first",
  mftb: "binutils prints both ways to read the time base as mftb",
  mfspr: "as mftb; and binutils has names for block address translation, which POWER9 has not",
  mtspr: "as mfspr",
  lfdp: "binutils knows the pairs of floating-point registers for POWER6 to POWER8 only",
  lfdpx: "as lfdp",
  stfdp: "as lfdp",
  stfdpx: "as lfdp",
};
