/*
 * unikvm-start: the first program of a guest that brings nothing of unikvm's: a kernel of somebody else's, or a root on a disk.
 * It does what the lines of /unikvm-start.list say, in their order, and becomes the agent:
 *
 *   load PATH      a module, which is then removed from memory; one that is there already is no error
 *   root DISK      the first file system on the disk (as vda), or on a partition of it, that has a folder etc or bin becomes the root
 *
 * What goes wrong is said on the console, and ends the guest: nobody could ask it anything.
 */
#include "system.h"

#define LIST "/unikvm-start.list"
#define AGENT "/unikvm-agent"
#define ROOT "/unikvm-root"
#define PARTITIONS 16
/* How long a driver may take to find its disk, milliseconds. */
#define PATIENCE 10000

static char list[65536];

static _Noreturn void give_up(const char *what, const char *which, long error)
{
	char line[512] = "";
	append(line, sizeof line, what);
	append(line, sizeof line, which);
	complain(line, error);
	call(sync, 0);
	call(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0);
	for (;;) nap(1000);
}

static void load(const char *path)
{
	long fd = call(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0) give_up("there is no module ", path, fd);
	long error = call(finit_module, fd, "", 0);
	call(close, fd);
	if (error < 0 && error != -EEXIST) give_up("the kernel does not load ", path, error);
	call(unlinkat, AT_FDCWD, path, 0);
}

static bool is_there(const char *path)
{
	long fd = call(openat, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
	if (fd >= 0) call(close, fd);
	return fd >= 0;
}

/* Mounts it at ROOT if it has a system. */
static bool try_root(const char *device)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "ext2", "squashfs", "erofs" };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		/* What cannot be written to is mounted so. */
		if (call(mount, device, ROOT, types[i], 0, 0) < 0 && call(mount, device, ROOT, types[i], 1, 0) < 0) continue;
		if (is_there(ROOT "/etc") || is_there(ROOT "/bin")) return true;
		call(umount2, ROOT, 0);
	}
	return false;
}

static void mount_root(const char *disk)
{
	char device[64] = "/dev/";
	append(device, sizeof device - 3, disk);
	for (int waited = 0; !is_there(device); waited += 10) {
		if (waited > PATIENCE) give_up("the kernel found no disk ", device, 0);
		nap(10);
	}
	call(mkdirat, AT_FDCWD, ROOT, 0755);
	size_t end = strlen(device);
	for (int partition = 0; partition <= PARTITIONS; partition++) {
		device[end] = 0;
		if (partition > 0) append_number(device, sizeof device, partition);
		if (is_there(device) && try_root(device)) return;
	}
	device[end] = 0;
	give_up("neither the disk nor a partition has a file system that the kernel knows, with a folder etc or bin: ", device, 0);
}

/* What is mounted at ROOT becomes the root of all; the initial RAM disk stays below, out of sight. */
static void change_root(void)
{
	call(mkdirat, AT_FDCWD, ROOT "/dev", 0755);
	long error = call(mount, "/dev", ROOT "/dev", 0, 8192 /* MS_MOVE */, 0);
	if (error < 0) give_up("the root has no folder ", "/dev", error);
	if ((error = call(chdir, ROOT)) < 0 || (error = call(mount, ".", "/", 0, 8192 /* MS_MOVE */, 0)) < 0 ||
	    (error = call(chroot, ".")) < 0 || (error = call(chdir, "/")) < 0)
		give_up("the root cannot be changed", "", error);
}

_Noreturn void begin(void)
{
	static char *arguments[] = { AGENT, 0 }, *environment[] = { 0 };
	bool with_root = false;
	call(mkdirat, AT_FDCWD, "/dev", 0755);
	call(mount, "devtmpfs", "/dev", "devtmpfs", 2, 0);
	long console = call(openat, AT_FDCWD, "/dev/console", O_RDWR | O_NOCTTY, 0);
	for (int i = 0; i < 3 && console >= 0; i++) call(dup3, console, i, 0);
	if (console > 2) call(close, console);
	long agent = call(openat, AT_FDCWD, AGENT, O_RDONLY | O_CLOEXEC, 0);
	if (agent < 0) give_up("there is no ", AGENT, agent);
	long length = read_text(LIST, list, sizeof list);
	if (length < 0) give_up("there is no ", LIST, length);
	for (char *line = list, *end; *line; line = end) {
		for (end = line; *end && *end != '\n'; end++) {}
		if (*end) *end++ = 0;
		if (starts(line, "load ")) load(line + 5);
		else if (starts(line, "root ")) {
			mount_root(line + 5);
			with_root = true;
		} else give_up("no line of its list may be ", line, 0);
	}
	if (with_root) change_root();
	long error = call(execveat, agent, "", arguments, environment, AT_EMPTY_PATH);
	give_up("the agent does not start", "", error);
}
