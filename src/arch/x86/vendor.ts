/**
 * The vendor of a module's processors. Each vendor's module is linked whole with a meaning of its own for this file, vmx/ or
 * svm/ (kernel/module-list.ts); what common code imports from here it calls directly. Here, unlinked, it is Intel.
 */
export * from "./vmx/vendor.js";
