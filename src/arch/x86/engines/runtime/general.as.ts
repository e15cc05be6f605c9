/** Where general registers that routines find by themselves lie in a vCPU's state. */
import { S_general } from "./layout.generated";

export const RAX = S_general;
export const RCX = S_general + 8;
export const RDX = S_general + 16;
export const RBX = S_general + 24;
export const RSP = S_general + 32;
export const R11 = S_general + 88;
