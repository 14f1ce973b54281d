package c756;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a run is told from outside, by environment variables: the same for tools/gatling.sh and for a pod.
 *
 * @param simulation simple name of the simulation class ({@code SIM})
 * @param baseUrl where the ingress gateway is, without a path ({@code BASE_URL})
 * @param token what goes after {@code Authorization: Bearer} ({@code TOKEN}); empty: the run logs in by itself
 * @param users virtual users of this process: its share of {@code USERS} where several pods ({@code PODS}) run
 * @param duration how long ({@code DURATION}, such as 90, 60s, 10m, 2h); empty: until it is stopped
 * @param maxErrors percentage of failed requests above which the run counts as failed ({@code MAX_ERRORS}, such as 1%); empty: no bound
 * @param pod which of the pods this is, from 0 ({@code JOB_COMPLETION_INDEX}, set by Kubernetes in an Indexed Job)
 * @param pods how many pods share the users
 * @param results folder under which Gatling makes the report ({@code RESULTS})
 */
public record Settings(String simulation, URI baseUrl, String token, int users, Optional<Duration> duration, Optional<Double> maxErrors,
        int pod, int pods, String results) {

    private static final Pattern DURATION = Pattern.compile("([0-9]{1,6})(s|m|h|)");
    private static final Pattern PERCENT = Pattern.compile("([0-9]{1,3}(?:\\.[0-9]{1,6})?)%?");

    /** The gateway's address, to be followed by a path. */
    public String address() {
        return baseUrl.toString().replaceFirst("/$", "");
    }

    /** The settings of this process. */
    public static Settings current() {
        return of(System.getenv());
    }

    /**
     * Reads and checks the settings.
     *
     * @throws IllegalArgumentException naming the variable, its value and what it should be
     */
    public static Settings of(Map<String, String> env) {
        String simulation = required(env, "SIM", "the name of a simulation, such as ReadMusicSim");
        if (!simulation.matches("[A-Za-z][A-Za-z0-9]*")) {
            throw wrong("SIM", simulation, "the name of a simulation, such as ReadMusicSim");
        }
        int total = number(env, "USERS", null, 1);
        int pods = number(env, "PODS", "1", 1);
        int pod = number(env, "JOB_COMPLETION_INDEX", "0", 0);
        if (pod >= pods) {
            throw wrong("JOB_COMPLETION_INDEX", Integer.toString(pod), "less than PODS, which is " + pods);
        }
        return new Settings(simulation, url(required(env, "BASE_URL", "the gateway's address, such as http://127.0.0.1:8080")),
                env.getOrDefault("TOKEN", "").strip(), share(total, pods, pod), duration(env.getOrDefault("DURATION", "")),
                percent(env.getOrDefault("MAX_ERRORS", "")), pod, pods, env.getOrDefault("RESULTS", "results"));
    }

    /** The users of one pod, such that all pods together have exactly the total. */
    static int share(int total, int pods, int pod) {
        return total / pods + (pod < total % pods ? 1 : 0);
    }

    private static Optional<Duration> duration(String text) {
        if (text.isEmpty()) {
            return Optional.empty();
        }
        Matcher match = DURATION.matcher(text);
        if (!match.matches() || Long.parseLong(match.group(1)) == 0) {
            throw wrong("DURATION", text, "a time such as 60s, 10m or 2h");
        }
        long count = Long.parseLong(match.group(1));
        return Optional.of(switch (match.group(2)) {
            case "m" -> Duration.ofMinutes(count);
            case "h" -> Duration.ofHours(count);
            default -> Duration.ofSeconds(count);
        });
    }

    private static Optional<Double> percent(String text) {
        if (text.isEmpty()) {
            return Optional.empty();
        }
        Matcher match = PERCENT.matcher(text);
        if (!match.matches() || Double.parseDouble(match.group(1)) > 100) {
            throw wrong("MAX_ERRORS", text, "a percentage from 0 to 100, such as 1%");
        }
        return Optional.of(Double.parseDouble(match.group(1)));
    }

    private static URI url(String text) {
        URI uri;
        try {
            uri = URI.create(text);
        } catch (IllegalArgumentException e) {
            throw wrong("BASE_URL", text, "an address such as http://127.0.0.1:8080");
        }
        boolean web = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
        if (!web || uri.getHost() == null || !(uri.getPath().isEmpty() || uri.getPath().equals("/"))) {
            throw wrong("BASE_URL", text, "an address without a path, such as http://127.0.0.1:8080");
        }
        return uri;
    }

    private static int number(Map<String, String> env, String name, String otherwise, int least) {
        String what = "a whole number, at least " + least;
        String text = env.getOrDefault(name, "");
        if (text.isEmpty() && otherwise != null) {
            text = otherwise;
        }
        if (!text.matches("[0-9]{1,6}") || Integer.parseInt(text) < least) {
            throw wrong(name, text, what);
        }
        return Integer.parseInt(text);
    }

    private static String required(Map<String, String> env, String name, String what) {
        String text = env.getOrDefault(name, "");
        if (text.isEmpty()) {
            throw new IllegalArgumentException(name + " is not set: it must be " + what);
        }
        return text;
    }

    private static IllegalArgumentException wrong(String name, String value, String what) {
        return new IllegalArgumentException(name + " is '" + value + "': it must be " + what);
    }
}
