# A second guest on each host, made with -var second=true: nothing is done to it before the isolation of all first ones is seen to hold.
variable "second" {
  description = "Make second guests, after a gate."
  type        = bool
  default     = false
}

resource "stockade_gate" "web" {
  count  = var.second ? 1 : 0
  guests = values(stockade_guest.web)
}

resource "stockade_guest" "second" {
  for_each     = var.second ? stockade_qemu_users.this : {}
  depends_on   = [stockade_gate.web]
  host         = each.value.host
  users        = each.value.id
  name         = "web2"
  memory_mib   = var.memory_mib
  accelerator  = var.accelerator
  kernel       = { file = var.kernel }
  initrd       = { file = var.initrd }
  command_line = "console=ttyS0 quiet"
}
