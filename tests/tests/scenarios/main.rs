//! What the connector does with honest servers: one list of scenarios, run against every kind of server in clear,
//! over explicit FTPS with TLS 1.3 and over implicit FTPS with TLS 1.2, and a second list over FTPS alone.

mod after;
mod arrange;
mod broken;
mod check;
mod connect;
mod exists;
mod flows;
mod get;
mod manage;
mod names;
mod put;
mod refused;
mod select;
mod tls;
mod trace;
mod transfer;

use arrange::{Line, Stage};
use flow_tests::servers::{FtpServer, Kind, Limits};

/// Makes a test of each scenario for each kind of server, on each of these lines.
macro_rules! on_every_server {
    ([$($line:ident)*] $scenarios:tt) => {
        $(on_every_server! { @line $line $scenarios })*
    };
    (@line Clear $scenarios:tt) => {
        on_every_server! { @servers Clear $scenarios }
    };
    (@line Explicit $scenarios:tt) => {
        mod explicit {
            on_every_server! { @servers Explicit $scenarios }
        }
    };
    (@line Implicit $scenarios:tt) => {
        mod implicit {
            on_every_server! { @servers Implicit $scenarios }
        }
    };
    (@servers $line:ident $scenarios:tt) => {
        on_every_server! { @kind embedded Embedded $line $scenarios }
        on_every_server! { @kind vsftpd Vsftpd $line $scenarios }
        on_every_server! { @kind pure_ftpd PureFtpd $line $scenarios }
        on_every_server! { @kind proftpd Proftpd $line $scenarios }
        on_every_server! { @kind pyftpdlib Pyftpdlib $line $scenarios }
    };
    (@kind $name:ident $kind:ident $line:ident { $($module:ident { $($scenario:ident,)* })* }) => {
        mod $name {
            $(mod $module {
                $(#[test]
                fn $scenario() {
                    crate::on(crate::Kind::$kind, crate::Line::$line, crate::$module::$scenario);
                })*
            })*
        }
    };
}

on_every_server! { [Clear Explicit Implicit] {
    get {
        one_file_by_its_path,
        files_by_regular_expression,
        files_in_folders_by_regular_expression,
        files_by_glob,
        a_file_that_the_command_names,
        a_file_below_the_default_folder,
        files_with_odd_names,
        files_in_folders_with_odd_names,
        an_empty_file,
        every_byte,
        nothing_when_nothing_fits,
        two_thousand_files,
        under_names_that_the_flow_gives,
    }
    put {
        a_new_file,
        onto_an_existing_file,
        into_new_folders,
        files_with_odd_names,
        an_empty_file,
        every_byte,
        under_the_original_path,
        as_private_files,
        appended,
        only_what_an_expression_fits,
    }
    manage {
        rename_into_a_new_folder,
        rename_onto_an_existing_file,
        rename_as_people_write_it,
        delete_the_original,
        delete_a_named_file,
        list_a_folder,
        make_and_remove_folders,
    }
    flows {
        pull_send_and_only_then_move,
        copy_between_folders_and_recreate_a_tree,
        copy_to_another_server_and_move,
        one_sign_in_for_all_steps,
    }
    connect {
        with_epsv,
        with_pasv,
        with_active_data_connections,
        with_active_data_connections_in_a_range_of_ports,
        with_the_address_in_the_answer,
        with_a_fixed_address_for_data,
        to_a_server_in_another_time_zone,
    }
    check {
        what_there_is,
        what_only_writing_can_tell,
        of_a_wrong_password,
        of_a_root_that_is_not_there,
    }
    trace {
        of_a_run_for_people,
        of_a_run_for_programs,
        of_a_check,
        not_unless_it_is_asked_for,
    }
    select {
        in_folders_below_by_name,
        not_deeper_than_it_is_told,
        not_round_in_circles,
        by_age,
        by_size,
        the_first_few_in_an_order,
        none_that_is_still_written,
        with_a_done_file,
        to_delete_and_to_move,
    }
    after {
        it_is_kept_or_deleted,
        it_is_moved_into_a_folder,
        it_is_moved_to_a_name,
        it_is_moved_onto_a_file_as_it_is_told,
        a_move_that_fails_is_told_and_the_payload_goes_on,
    }
    exists {
        a_put_overwrites,
        a_put_is_skipped,
        a_put_fails,
        a_put_gets_a_number,
        a_put_is_appended,
        a_put_to_a_free_name_is_a_put,
        a_rename_does_as_it_is_told,
        a_put_has_the_temporary_name_that_it_is_given,
    }
    transfer {
        verified_by_a_hash,
        not_verified,
        with_the_time_of_the_file,
        as_text,
        slowly_with_signs_of_life,
        slowly_within_the_time_out,
    }
    names {
        in_windows_1252,
        sent_in_windows_1252,
        in_no_encoding,
    }
    broken {
        a_get_in_the_middle,
        a_put_in_the_middle,
        the_control_connection_in_a_transfer,
        the_reply_to_a_store,
        the_reply_to_the_rename_of_a_put,
        the_reply_to_a_rename,
        the_reply_to_a_delete,
        the_reply_to_an_append,
        the_reply_to_what_comes_after_a_get,
        a_listing,
    }
    refused {
        a_wrong_password,
        a_missing_file,
        a_missing_folder,
        a_folder_without_permission,
        a_rename_of_a_missing_file,
        a_folder_that_is_not_empty,
    }
} }

/// What there is over FTPS alone.
mod over_tls {
    on_every_server! { [Explicit Implicit] {
        tls {
            a_check_tells_what_it_is_encrypted_with,
            a_fingerprint_is_shown_before_anybody_is_trusted,
            a_pinned_certificate_is_enough,
            a_pinned_key_is_enough,
            many_small_files_in_one_session,
            many_uploads_in_one_session,
            data_in_clear_where_the_server_allows_it,
            data_in_clear_where_the_server_refuses_it,
            every_data_connection_resumes_the_session,
            a_get_that_an_end_of_tls_cuts_short,
            a_put_that_an_end_of_tls_cuts_short,
            a_run_without_tls_is_told_what_to_set,
            the_other_mode_is_told,
        }
    } }
}

/// Runs a scenario against a kind of server, and looks afterwards for what should not be left.
fn on(kind: Kind, line: Line, scenario: fn(&Stage)) {
    let limits = Limits {
        tls: line.tls(),
        ..Limits::default()
    };
    let server = FtpServer::start_with(kind, limits).expect("the server starts");
    let Some(server) = server else { return };
    let stage = Stage::new(server);
    scenario(&stage);
    stage.assert_nothing_left();
}
