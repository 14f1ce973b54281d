package c756;

import static io.gatling.javaapi.core.CoreDsl.asLongAs;
import static io.gatling.javaapi.core.CoreDsl.exec;
import static io.gatling.javaapi.core.CoreDsl.global;
import static io.gatling.javaapi.core.CoreDsl.pause;
import static io.gatling.javaapi.core.CoreDsl.rampUsers;
import static io.gatling.javaapi.core.CoreDsl.scenario;
import static io.gatling.javaapi.http.HttpDsl.http;

import io.gatling.javaapi.core.Assertion;
import io.gatling.javaapi.core.ChainBuilder;
import io.gatling.javaapi.core.PopulationBuilder;
import io.gatling.javaapi.core.Simulation;
import io.gatling.javaapi.http.HttpProtocolBuilder;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * What all simulations have in common: where they send, with which token, how many users, and how they end.
 *
 * <p>With {@code forever} the users form a closed population: a fixed number of people, each of whom waits for an answer before asking
 * again. docs/load.md has an open one.
 */
abstract class LoadSimulation extends Simulation {
    /** Users that begin within one second. Spread evenly, so that those who ask once a second do not all ask at the same moment. */
    private static final int USERS_PER_SECOND = 50;

    /** The longest step in which a waiting user does not notice that the run is over. */
    private static final Duration STEP = Duration.ofMillis(500);

    private static final String WAKE_UP = "wakeUp";

    protected final Settings settings = Settings.current();
    protected final Token token = new Token(settings);
    protected final Leftovers leftovers = new Leftovers(settings, token);

    @Override
    public void before() {
        token.begin();
    }

    @Override
    public void after() {
        token.end();
        leftovers.remove();
    }

    /** Runs the scenario for every user again and again, until the run is over; users come in as fast as is useful. */
    protected final void forever(ChainBuilder scenario) {
        forever(Duration.ofSeconds(Math.max(1, settings.users() / USERS_PER_SECOND)), scenario);
    }

    /** Runs the scenario for every user again and again, until the run is over; the last user comes in after {@code ramp}. */
    protected final void forever(Duration ramp, ChainBuilder scenario) {
        ChainBuilder user = exec(asLongAs(session -> Run.goesOn()).on(scenario));
        play(scenario(settings.simulation()).exec(user).injectOpen(rampUsers(settings.users()).during(ramp)));
    }

    /** Runs a population that was made in another way, with the same gateway, token and bound of errors. */
    protected final void play(PopulationBuilder population) {
        setUp(population)
                .protocols(protocol())
                .assertions(settings.maxErrors().stream().map(LoadSimulation::bound).toArray(Assertion[]::new));
    }

    /** Waits between {@code least} and {@code most}, evenly distributed. When the run ends meanwhile, the user goes home. */
    protected static ChainBuilder wait(Duration least, Duration most) {
        return exec(session -> {
            long nanos = least.equals(most) ? least.toNanos() : ThreadLocalRandom.current().nextLong(least.toNanos(), most.toNanos());
            return session.set(WAKE_UP, System.nanoTime() + nanos);
        }).asLongAs(session -> left(session.getLong(WAKE_UP)) > 0 && Run.goesOn()).on(pause(session -> {
            return Duration.ofNanos(Math.max(0, Math.min(STEP.toNanos(), left(session.getLong(WAKE_UP)))));
        })).exitHereIf(session -> !Run.goesOn());
    }

    /** Waits one second: a person who asks, looks, and asks again. */
    protected static ChainBuilder waitOneSecond() {
        return wait(Duration.ofSeconds(1), Duration.ofSeconds(1));
    }

    private static long left(long wakeUp) {
        return wakeUp - System.nanoTime();
    }

    private static Assertion bound(double percent) {
        return global().failedRequests().percent().lte(percent);
    }

    private HttpProtocolBuilder protocol() {
        return http.baseUrl(settings.address())
                .acceptHeader("application/json")
                .authorizationHeader(session -> "Bearer " + token.current())
                .disableWarmUp();
    }
}
