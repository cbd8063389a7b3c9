// SPDX-License-Identifier: GPL-2.0
/*
 * A stand-in for the ScaleIO client's kernel module, for tests in virtual machines. It moves no data: it has the vendor's name, makes
 * /dev/scini, keeps the client's GUID there, and can't be unloaded while that file is open. Written for these tests from nothing.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>

#define GUID_LENGTH 36

static DEFINE_MUTEX(lock);
static char guid[GUID_LENGTH + 1]; /* and a line feed */
static size_t length;

static ssize_t scini_read(struct file *file, char __user *buffer, size_t size, loff_t *at)
{
	ssize_t n;

	mutex_lock(&lock);
	n = simple_read_from_buffer(buffer, size, at, guid, length);
	mutex_unlock(&lock);
	return n;
}

/* The service writes the GUID of drv_cfg.txt once after loading. */
static ssize_t scini_write(struct file *file, const char __user *buffer, size_t size, loff_t *at)
{
	char text[GUID_LENGTH];

	if (size < GUID_LENGTH)
		return -EINVAL;
	if (copy_from_user(text, buffer, GUID_LENGTH))
		return -EFAULT;
	mutex_lock(&lock);
	memcpy(guid, text, GUID_LENGTH);
	guid[GUID_LENGTH] = '\n';
	length = GUID_LENGTH + 1;
	mutex_unlock(&lock);
	return size;
}

static const struct file_operations scini_operations = {
	.owner = THIS_MODULE, /* an open file holds the module */
	.read = scini_read,
	.write = scini_write,
};

static struct miscdevice scini_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "scini",
	.fops = &scini_operations,
	.mode = 0600,
};

module_misc_device(scini_device);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in for the ScaleIO client, for tests: moves no data");
MODULE_VERSION("3.6.700.103");
