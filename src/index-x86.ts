/** unikvm/x86: what is x86's alone: the interfaces of its kvms, kvm-intel and kvm-amd, and its numbers. */
export * from "./arch/x86/uapi.js";
