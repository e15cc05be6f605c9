/** The interrupt sources' routing: KVM carries these out itself. */
import { rtas } from "./rtas.js";

export const setXive = rtas(0x200a, "ibm,set-xive", [3, 1]);
export const getXive = rtas(0x200b, "ibm,get-xive", [1, 3]);
export const intOff = rtas(0x200c, "ibm,int-off", [1, 1]);
export const intOn = rtas(0x200d, "ibm,int-on", [1, 1]);
