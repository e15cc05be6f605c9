/**
 * Where QEMU 7.2 departs from the architecture or from machine pseries as we have it: tests of the self-test that it cannot
 * judge. They are written by hand from the specifications, and judge both engines without it.
 */
export const departures: Readonly<Record<string, string>> = {
  "floating point": "it leaves FPSCR[FR] at 0",
  "floating-point exceptions": "it leaves FPSCR[FR] at 0, and fcmpo of a NaN sets FPSCR[C]",
  "facilities unavailable": "problem state cannot have DSCR",
  "keys: AMR and IAMR": "the kernel is not bound by keys",
  reservations: "a misaligned lqarx ends it",
  doorbell: "msgsndp of oneself hangs",
  H_CEDE: "a decrementer interrupt comes that is not due",
  "accesses outside memory": "reads give 0",
  "page tables and code of two": "code that another processor wrote is seen late",
  "machine check": "there is none on a fetch from nowhere",
};
