/** What kvm-amd's code is. The build puts the module that it has linked whole, modules/kvm-amd.js, in this file's place. */
export * from "../whole.js";
