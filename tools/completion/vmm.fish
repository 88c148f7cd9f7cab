# SPDX-License-Identifier: BSD-2-Clause
# Completion of vmm for fish: put it into a folder of $fish_complete_path.
function __vmm_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete $words[2..-1] 2>/dev/null
end
complete -c vmm -a '(__vmm_complete)'
