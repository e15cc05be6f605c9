/** What a program in Node.js needs besides the public names: threads for vCPUs, and guests to begin with. */
export { ensureDefaultGuest, type Guest, GuestUnavailable } from "../../guests/index.js";
export { spawnVcpuThread } from "./vcpu-thread.js";
