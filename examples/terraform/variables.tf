variable "fleet" {
  description = "The owner written on everything made on hosts; keep it the same over runs."
  type        = string
  default     = "quickstart"
}

variable "hosts" {
  description = "The inventory: hosts by name."
  type = map(object({
    address          = string
    port             = optional(number, 22)
    user             = optional(string, "root")
    sudo             = optional(bool, false)
    host_key         = string
    private_key_file = string
  }))
}

variable "memory_mib" {
  description = "The guest's memory. Unit: MiB."
  type        = number
  default     = 128
}

variable "accelerator" {
  description = "kvm, or tcg where the host has no usable /dev/kvm."
  type        = string
  default     = "kvm"
}

variable "kernel" {
  description = "A Linux kernel on this machine."
  type        = string
}

variable "initrd" {
  description = "An initial RAM disk on this machine."
  type        = string
}

variable "probes" {
  description = "Any text: probes of the hosts' isolation run when it is set and whenever it changes."
  type        = string
  default     = null
}
