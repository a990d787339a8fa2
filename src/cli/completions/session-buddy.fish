# session-buddy completion for fish, written by `session-buddy install completions`

# The program itself says what there is; here it is only asked, and put on the line.
function __session_buddy_complete
    set -l words (commandline -opc)
    while string match -qr '^\w+=' -- $words[1]
        set -e words[1]
    end
    set -e words[1]
    set -l now (commandline -ct)
    set -l reply (command session-buddy complete fish -- $words "$now" 2>/dev/null </dev/null)
    # Of --flag=value files are completed without the flag.
    set -l flag (string match -r -- '^--[^=]*=' "$now")
    set -l rest (string replace -- "$flag" '' "$now")
    switch "$reply[1]"
        case words
            string join \n -- $reply[2..-1]
        case files
            for path in (__fish_complete_path "$rest")
                echo -- "$flag$path"
            end
        case folders
            for path in (__fish_complete_directories "$rest" '')
                echo -- "$flag$path"
            end
        case 'command *'
            set -l from (math (string replace 'command ' '' -- $reply[1]) + 1)
            complete -C (string join ' ' -- (string escape -- $words[$from..-1]) "$now")
    end
end
complete -c session-buddy -f -k -a '(__session_buddy_complete)'
