#!/bin/sh
# The floors of src: a file may use what lies in its own folder and in those below it, and nothing
# above. The names that the objects of the library want and have say so, and, for what is inline or a
# type, the private headers that its files include.
#
# One name goes up: the table by which all reach what looks at a program (src/look/look.c).
#
# Each file is named in the map of src/README.md.
#
# Files of one floor may use each other in a circle, if the opening comment of one of them says why:
# in a paragraph that begins with "Circle:" and names them all.
set -eu

source=$EDDY_SOURCE_DIR/src
objects=$EDDY_BUILD_DIR/CMakeFiles/eddy.dir/src
facts=$EDDY_BUILD_DIR/floors.txt

if ! nm -g "$objects"/base/*.o 2>/dev/null | grep -q ' T '; then
    echo "skipped: these objects name nothing (link-time optimization?), or there is no nm"
    exit 77
fi

# Each floor, and those that it may use.
floors() {
    cat <<'END'
base
loop base
task base loop
sync base loop task
work base loop task sync
os   base loop task sync
net  base loop task sync work
child base loop task sync work net
look base loop task sync work os net child
END
}

{
    floors | while read -r floor lower; do
        for below in $floor $lower; do
            echo "may $floor $below"
        done
    done
    # What the files include, and what their opening comments say of circles.
    (cd "$source" && awk '
        FNR == 1 {
            split(FILENAME, path, "/")
            at = path[1] " " path[2]
            print "file " at
            opening = 1
            inside = 0
        }
        /^ *# *include "[a-z]*\// {
            split($0, quoted, "\"")
            split(quoted[2], header, "/")
            print "includes " at " " header[1]
        }
        !/^(\/\*| \*)/ { opening = 0 }
        /^ \*$/ { inside = 0 }
        /Circle:/ { inside = opening }
        opening && inside {
            n = split($0, words, "[^a-z_.]+")
            for (i = 1; i <= n; i++) {
                sub(/\.$/, "", words[i])
                if (words[i] ~ /\.c$/) print "explains", path[1], words[i]
            }
        }' */*.[ch])
    # What the objects want and have; one without a file is what an older build has left.
    (cd "$objects" && for object in */*.o; do
        [ -f "$source/${object%.o}" ] && echo "$object"
    done | xargs nm -A -g) | sed 's|^\([a-z]*\)/\([^:]*\)\.o:|\1 \2 |' | awk '
        NF == 4 && $3 ~ /^[Uwv]$/ { print "uses", $1, $2, $4 }
        NF == 5 && $4 ~ /^[TDBRVW]$/ { print "has", $1, $2, $5 }'
} >"$facts"

awk '
    function complain(text) { print text; bad = 1 }

    FILENAME ~ /README/ {
        n = split($0, cell, "`")
        if (/^\| `[a-z]*` \| [a-z]+ \|/)
            for (i = 3; i <= n; i++) mapped[cell[2], cell[i] ".c"] = 1
        next
    }
    $1 == "may" { may[$2, $3] = 1; known[$2] = 1 }
    $1 == "file" { files[$2] = files[$2] " " $3; count++ }
    $1 == "explains" { explained[$2, $3] = 1 }
    $1 == "has" { floor_of[$4] = $2; file_of[$4] = $3 }
    $1 == "uses" && $4 != "eddy_look_" { use[++uses] = $0 }
    $1 == "includes" && ($4 in known) && !(($2, $4) in may) {
        complain("src/" $2 "/" $3 " includes a header of " $4 ", which is above it")
    }
    END {
        for (i = 1; i <= uses; i++) {
            split(use[i], word, " ")
            floor = word[2]; file = word[3]; name = word[4]
            if (!(name in floor_of)) continue
            if (!((floor, floor_of[name]) in may))
                complain("src/" floor "/" file " reaches up: " name " of src/" floor_of[name] "/" \
                         file_of[name])
            if (floor == floor_of[name] && file != file_of[name]) {
                reaches[floor, file, file_of[name]] = 1
                by[floor, file, file_of[name]] = name
            }
        }
        for (floor in files) {
            if (!(floor in known))
                complain("src/" floor " is no floor: say in tests/floors.sh what it may use")
            n = split(files[floor], list, " ")
            for (k = 1; k <= n; k++)
                for (i = 1; i <= n; i++)
                    if ((floor, list[i], list[k]) in reaches)
                        for (j = 1; j <= n; j++)
                            if ((floor, list[k], list[j]) in reaches)
                                reaches[floor, list[i], list[j]] = 1
            for (i = 1; i <= n; i++) {
                if (list[i] ~ /\.c$/ && !((floor, list[i]) in mapped))
                    complain("src/" floor "/" list[i] " is not in the map of src/README.md")
                if (!((floor, list[i], list[i]) in reaches)) continue
                circles++
                if (!((floor, list[i]) in explained)) {
                    text = "src/" floor "/" list[i] " is in a circle that nobody explains:"
                    for (j = 1; j <= n; j++)
                        if (((floor, list[i], list[j]) in by) && ((floor, list[j], list[i]) in reaches))
                            text = text " " list[j] " (" by[floor, list[i], list[j]] ")"
                    complain(text)
                }
            }
            for (i = 1; i <= n; i++)
                if (((floor, list[i]) in explained) && !((floor, list[i], list[i]) in reaches))
                    complain("src/" floor "/" list[i] " is in no circle, though a comment says so")
        }
        if (!bad)
            print "all arrows between the floors point down; of " count " files " circles+0 \
                  " are in circles that are explained"
        exit bad
    }' "$source/README.md" "$facts"
