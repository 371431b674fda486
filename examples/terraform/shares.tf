# A guest that mounts directories of its host, made with -var shares=true. The plan says who serves each and why (share_drivers).
variable "shares" {
  description = "Make the guest that mounts directories of its host."
  type        = bool
  default     = false
}

resource "stockade_guest" "sharing" {
  for_each     = var.shares ? stockade_qemu_users.this : {}
  host         = each.value.host
  users        = each.value.id
  name         = "files1"
  memory_mib   = var.memory_mib
  accelerator  = var.accelerator
  kernel       = { file = var.kernel }
  initrd       = { file = var.initrd }
  command_line = "console=ttyS0 quiet"

  shares = [
    # In the guest: mount -t virtiofs docs /mnt, or mount -t 9p -o trans=virtio docs /mnt.
    { tag = "docs", source = "/usr/share/doc" },
    # What a guest writes to lies below a directory that only root may enter (here /root), or on a mount with nosuid and nodev.
    { tag = "inbox", source = "/root/inbox", readonly = false },
  ]
}

output "share_drivers" {
  description = "Who serves each directory, and why."
  value       = { for key, guest in stockade_guest.sharing : key => guest.share_drivers }
}
