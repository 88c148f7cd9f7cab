# SPDX-License-Identifier: BSD-2-Clause
# Completion of vmm for bash: source it, or put it into completions/vmm.
_vmm() {
    local IFS=$'\n' words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    # bash breaks words at '@', ':' and '='; no command here has these in what is completed.
    COMPREPLY=($("${COMP_WORDS[0]}" complete "${words[@]}" 2>/dev/null))
}
complete -o default -F _vmm vmm
