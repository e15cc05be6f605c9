/**
 * Configuration space of PCI devices. A partition has no other way to it. Source: LoPAPR, "Configuration Space"; the
 * configuration address is bus << 16 | device << 11 | function << 8 | register, the register's upper 4 bits on top.
 */
import { type RtasHost, RtasStatus, rtas, twoWords } from "./rtas.js";

/** All ones where nothing answers. */
const nothing = 0xffff_ffff;

function read(bridge: RtasHost["pci"], address: number, size: number, outputs: number[]): number {
  const value = bridge?.readConfig(address, size);
  outputs.push(value ?? nothing);
  return value === undefined ? RtasStatus.parameterError : RtasStatus.success;
}

function write(bridge: RtasHost["pci"], address: number, size: number, value: number): number {
  return bridge?.writeConfig(address, size, value) ? RtasStatus.success : RtasStatus.parameterError;
}

/** Configuration address, size. */
export const readPciConfig = rtas(0x2014, "read-pci-config", [2, 2], ({ pci }, { inputs, outputs }) => {
  const [address = 0, size = 0] = inputs;
  return read(pci, address & 0xff_ffff, size, outputs);
});

/** Configuration address, size, value. */
export const writePciConfig = rtas(0x2015, "write-pci-config", [3, 1], ({ pci }, { inputs }) => {
  const [address = 0, size = 0, value = 0] = inputs;
  return write(pci, address & 0xff_ffff, size, value);
});

/** Configuration address, the bridge's unit address, size. */
export const ibmReadPciConfig = rtas(0x2016, "ibm,read-pci-config", [4, 2], (host, { inputs, outputs }) => {
  const [address = 0, high = 0, low = 0, size = 0] = inputs;
  return read(host.pciBridge(twoWords(high, low)), address, size, outputs);
});

/** Configuration address, the bridge's unit address, size, value. */
export const ibmWritePciConfig = rtas(0x2017, "ibm,write-pci-config", [5, 1], (host, { inputs }) => {
  const [address = 0, high = 0, low = 0, size = 0, value = 0] = inputs;
  return write(host.pciBridge(twoWords(high, low)), address, size, value);
});
