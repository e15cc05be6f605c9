/** What kvm-intel's code is. The build puts the module that it has linked whole, modules/kvm-intel.js, in this file's place. */
export * from "../whole.js";
