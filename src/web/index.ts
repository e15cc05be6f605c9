/** What a page needs besides the public names: threads for vCPUs. */
export { spawnVcpuThread } from "./vcpu-thread.js";
