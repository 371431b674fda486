# A guest that departs from full isolation, made with -var departures=true. Each departure shows in the plan as a loss or a gain,
# and in the evidence as what it is.
variable "departures" {
  description = "Make the guest that shows departures from full isolation."
  type        = bool
  default     = false
}

resource "stockade_guest" "departing" {
  for_each     = var.departures ? stockade_qemu_users.this : {}
  host         = each.value.host
  users        = each.value.id
  name         = "db1"
  memory_mib   = var.memory_mib
  accelerator  = var.accelerator
  kernel       = { file = var.kernel }
  initrd       = { file = var.initrd }
  command_line = "console=ttyS0 quiet"

  # QEMU plays the guest's network itself, and reaches whatever the host reaches: without a network namespace of its own.
  network = "user"
  isolation = {
    off            = ["net-namespace"]
    may_be_missing = ["lsm"] # where the host has no security module
  }

  # More than guests of its size may take. What is not set follows from the guest.
  limits = { tasks = 200 }
}

data "stockade_guest_evidence" "departing" {
  for_each   = stockade_guest.departing
  host       = each.value.host
  guest      = each.value.name
  generation = each.value.generation
}

output "departing" {
  description = "Whether every layer stands as asked for (isolated), and which are not effective."
  value = {
    for key, evidence in data.stockade_guest_evidence.departing : key => {
      isolated = evidence.isolated
      layers   = { for name, layer in evidence.layers : name => layer.state if layer.state != "effective" }
    }
  }
}
